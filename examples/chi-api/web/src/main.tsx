import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Poll } from "./Poll";

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <Poll />
    </StrictMode>,
  );
}
