import "@fontsource-variable/inter/wght.css";
import "./styles/tokens.css";
import "./styles/base.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { loadBrand } from "./api/brand.ts";
import { App } from "./app.tsx";
import { openLinksFromHost } from "./session/open-link.ts";
import { productName } from "./session/product-name.ts";
import { currentStage } from "./session/session-store.ts";
import { fixTheme, showTheme, themeOfLink } from "./shell/theme.ts";

// Before anything is shown, so that nothing flashes in another name or theme.
await loadBrand();
document.title = productName();
if (currentStage().kind === "opening") fixTheme(themeOfLink(location.search));
else showTheme();
openLinksFromHost();
const root = document.getElementById("root");
if (root === null) throw new Error("the page has no element with the id root");
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
