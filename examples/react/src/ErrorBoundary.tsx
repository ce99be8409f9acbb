import { Component } from "react";
import type { ReactNode } from "react";
import styles from "./ErrorBoundary.module.css";

interface State {
  error: unknown;
}

/** Shows what was thrown below it. An edit of what threw makes it try again by itself. */
export class ErrorBoundary extends Component<{ children: ReactNode }, State> {
  state: State = { error: undefined };

  static getDerivedStateFromError(error: unknown): State {
    return { error };
  }

  render() {
    const { error } = this.state;
    if (error === undefined) return this.props.children;
    return (
      <div className={styles.error} role="alert">
        <p>{error instanceof Error ? error.message : String(error)}</p>
        <button type="button" onClick={() => this.setState({ error: undefined })}>
          Try again
        </button>
      </div>
    );
  }
}
