import { useEffect, useState } from "react";
import type { ReactNode } from "react";
import { ThemeContext } from "./theme";
import type { Theme } from "./theme";

export function ThemeProvider({ children }: { children: ReactNode }) {
  const [theme, setTheme] = useState<Theme>("system");

  // All colours are made with light-dark(), which follows color-scheme.
  useEffect(() => {
    document.documentElement.style.colorScheme = theme === "system" ? "light dark" : theme;
  }, [theme]);

  return <ThemeContext value={{ theme, setTheme }}>{children}</ThemeContext>;
}
