import { themes, useTheme } from "./theme";
import styles from "./ThemeSwitch.module.css";

const signs = { system: "◐", light: "☼", dark: "☾" };

export function ThemeSwitch() {
  const { theme, setTheme } = useTheme();
  return (
    <fieldset className={styles.switch}>
      <legend>Colours</legend>
      {themes.map((name) => (
        <label key={name} title={name}>
          <input type="radio" name="theme" aria-label={name} checked={name === theme} onChange={() => setTheme(name)} />
          <span aria-hidden="true">{signs[name]}</span>
        </label>
      ))}
    </fieldset>
  );
}
