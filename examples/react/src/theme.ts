import { createContext, use } from "react";

export const themes = ["system", "light", "dark"] as const;
export type Theme = (typeof themes)[number];

/** In a file of its own: the components that use it can then be replaced without making it anew. */
export const ThemeContext = createContext<{ theme: Theme; setTheme: (theme: Theme) => void }>({
  theme: "system",
  setTheme: () => {},
});

export function useTheme() {
  return use(ThemeContext);
}
