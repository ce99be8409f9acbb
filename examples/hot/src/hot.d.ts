// What an editor should know of import.meta.hot. With Vite installed, "vite/client" says the same.

interface ImportMeta {
  readonly hot?: {
    readonly data: Record<string, any>;
    accept(callback?: (module: any) => void): void;
    accept(dep: string, callback?: (module: any) => void): void;
    accept(deps: readonly string[], callback?: (modules: any[]) => void): void;
    acceptExports(names: string | readonly string[], callback?: (module: any) => void): void;
    dispose(callback: (data: Record<string, any>) => void): void;
    prune(callback: (data: Record<string, any>) => void): void;
    invalidate(message?: string): void;
    decline(): void;
    on(event: string, listener: (payload: any) => void): void;
    off(event: string, listener: (payload: any) => void): void;
    send(event: string, data?: unknown): void;
  };
}
