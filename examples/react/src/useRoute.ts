import { useSyncExternalStore } from "react";

/** What the address has after its #. */
export function useRoute(): string {
  return useSyncExternalStore(subscribe, () => location.hash.slice(1) || "/");
}

function subscribe(changed: () => void) {
  addEventListener("hashchange", changed);
  return () => removeEventListener("hashchange", changed);
}
