import bag from "../bag.svg";
import { ThemeSwitch } from "./ThemeSwitch";
import styles from "./Header.module.css";

const pages = [
  { route: "/", name: "Packing" },
  { route: "/postcard", name: "Postcard" },
];

export function Header({ route }: { route: string }) {
  return (
    <header className={styles.header}>
      <img src={bag} alt="" width="44" height="44" />
      <p className={styles.name}>
        Away <span>for a few days</span>
      </p>
      <nav aria-label="Pages">
        {pages.map((page) => (
          <a key={page.route} href={`#${page.route}`} aria-current={page.route === route ? "page" : undefined}>
            {page.name}
          </a>
        ))}
      </nav>
      <ThemeSwitch />
    </header>
  );
}
