import { brand } from "../api/brand.ts";

/** The themes to choose from. `system` follows the operating system. */
export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

/** In local storage: the reader's choice. */
const CHOSEN = "posthaste.theme";
/** In session storage: the theme that the tab's portal link chose. */
const FIXED = "posthaste.fixed-theme";

/** Without storage, a theme lasts until the page is closed. */
let chosen: Theme | undefined;
let fixed: Theme | undefined;

/** Returns the theme to show: the portal link's, or else the reader's, or else the operator's. */
export function currentTheme(): Theme {
  return fixedTheme() ?? chosen ?? storedIn(() => localStorage, CHOSEN) ?? brand().theme;
}

/** Shows the current theme. */
export function showTheme(): void {
  document.documentElement.dataset["theme"] = currentTheme();
  window.dispatchEvent(new Event(THEME_CHANGED));
}

/** Stores the reader's choice, and shows it. */
export function chooseTheme(theme: Theme): void {
  chosen = theme;
  store(() => localStorage, CHOSEN, theme);
  showTheme();
}

/** Shows a portal link's theme in this tab, whatever its reader chose elsewhere. Undefined: it has none. */
export function fixTheme(theme: Theme | undefined): void {
  fixed = theme;
  store(() => sessionStorage, FIXED, theme);
  showTheme();
}

/** Returns the theme in a portal link's query, which the session then has, too. */
export function themeOfLink(query: string): Theme | undefined {
  return themeOf(new URLSearchParams(query).get("theme"));
}

export function fixedTheme(): Theme | undefined {
  return fixed ?? storedIn(() => sessionStorage, FIXED);
}

/** @param storage may throw: a page in another site's frame may have none */
function storedIn(storage: () => Storage, key: string): Theme | undefined {
  try {
    return themeOf(storage().getItem(key));
  } catch {
    return undefined;
  }
}

function themeOf(name: string | null): Theme | undefined {
  return THEMES.find((theme) => theme === name);
}

function store(storage: () => Storage, key: string, theme: Theme | undefined): void {
  try {
    if (theme === undefined) storage().removeItem(key);
    else storage().setItem(key, theme);
  } catch {
    // Without storage, nothing is kept.
  }
}

/** The window event after a theme change. Charts redraw on it, because a canvas does not follow CSS. */
export const THEME_CHANGED = "posthaste-theme";
