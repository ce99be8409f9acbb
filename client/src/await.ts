// Runs modules that wait: those with top-level await, and those that import one. All others run as they are required.
//
// As the language has it, modules run in the order of their imports and in one go until one has to wait; what
// does not depend on it goes on meanwhile; what does runs in the order in which it came to wait. A cycle is
// waited for as a whole. https://tc39.es/ecma262/#sec-innermoduleevaluation

import type { Node, Registry } from "./registry";

/** The evaluation of one module that may wait. */
export class Job {
  /** The first module on the stack that can be reached from here: itself, or the root of its cycle. */
  low: number;
  onStack = true;
  /** Which import comes next. */
  next = 0;
  root: Job = this;
  /** When it began to wait, or to run asynchronously; 0 if it did not. */
  order = 0;
  /** How many modules it waits for, and who waits for it. */
  waits = 0;
  readonly waiters: Job[] = [];
  settled = false;
  error?: { thrown: unknown };
  readonly done: Promise<void>;
  resolve!: () => void;
  reject!: (thrown: unknown) => void;

  constructor(
    readonly node: Node,
    readonly index: number,
  ) {
    this.low = index;
    this.done = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.done.catch(() => undefined); // who awaits it hears of it
  }
}

export class Runner {
  private index = 0;
  private order = 0;

  constructor(private readonly registry: Registry) {}

  /** Runs a module after what it imports. What need not wait has run when this returns. */
  async run(node: Node): Promise<void> {
    const stack: Job[] = [];
    let job = node.job;
    try {
      job ??= this.visit(node, stack);
    } catch (thrown) {
      for (const open of stack) this.fail(open, thrown);
      throw thrown;
    }
    return job.root.done;
  }

  /** Visits what a module imports, and runs on the way back. Not recursive, as chains of imports may be longer than the stack. */
  private visit(node: Node, stack: Job[]): Job {
    const first = this.open(node, stack);
    const path = [first];
    for (let job: Job | undefined = first; job; job = path.at(-1)) {
      const id: string | undefined = job.node.asyncImports?.[job.next++];
      if (id === undefined) {
        path.pop();
        this.close(job, stack);
        const importer = path.at(-1);
        if (importer) this.depend(importer, job);
        continue;
      }
      const dep = this.registry.node(id);
      if (!dep.asyncImports) {
        if (this.registry.loaded(id)) this.registry.require(id, job.node);
        continue;
      }
      this.registry.connect(job.node, dep);
      if (dep.job) this.depend(job, dep.job);
      else path.push(this.open(dep, stack));
    }
    return first;
  }

  private open(node: Node, stack: Job[]): Job {
    const job = (node.job = new Job(node, ++this.index));
    stack.push(job);
    return job;
  }

  private depend(job: Job, on: Job): void {
    if (on.onStack) job.low = Math.min(job.low, on.low);
    else on = on.root;
    if (on.error) throw on.error.thrown;
    if (on.order > 0 && !on.settled) {
      job.waits++;
      on.waiters.push(job);
    }
  }

  private close(job: Job, stack: Job[]): void {
    if (job.waits > 0) job.order = ++this.order;
    else this.execute(job);
    if (job.low !== job.index) return;
    for (const member of stack.splice(stack.lastIndexOf(job))) {
      member.onStack = false;
      member.root = job;
    }
  }

  private execute(job: Job): void {
    const { done } = this.registry.evaluate(job.node);
    if (!done) return this.settle(job);
    job.order ||= ++this.order;
    done.then(
      () => this.fulfil(job),
      (thrown: unknown) => this.fail(job, thrown),
    );
  }

  private settle(job: Job): void {
    job.settled = true;
    job.resolve();
  }

  /** Ends a job, and runs what has waited for it. */
  private fulfil(job: Job): void {
    if (job.settled) return;
    this.settle(job);
    const ready = [job];
    for (let next = ready.shift(); next; next = ready.shift()) {
      try {
        if (next !== job) this.execute(next);
      } catch (thrown) {
        this.fail(next, thrown);
      }
      if (!next.settled || next.error) continue;
      ready.push(...next.waiters.filter((w) => --w.waits === 0 && !w.settled));
      ready.sort((a, b) => a.order - b.order);
    }
  }

  private fail(job: Job, thrown: unknown): void {
    const failed = [job];
    for (const next of failed) { // which grows by who waits
      if (next.settled) continue;
      next.settled = true;
      next.error = { thrown };
      this.registry.fail(next.node, thrown);
      next.reject(thrown);
      failed.push(...next.waiters);
    }
  }
}
