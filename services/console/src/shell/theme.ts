/** The themes to choose from. `system` follows the operating system. */
export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const KEY = "posthaste.theme";

export function storedTheme(): Theme {
  try {
    const stored = localStorage.getItem(KEY);
    return THEMES.find((theme) => theme === stored) ?? "system";
  } catch {
    // A page in another site's frame may have no storage.
    return "system";
  }
}

/** Applies and stores a theme. */
export function applyTheme(theme: Theme): void {
  if (theme === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
  try {
    if (theme === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // Without storage, the theme lasts until the page is closed.
  }
  window.dispatchEvent(new Event(THEME_CHANGED));
}

/** The window event after a theme change. Charts redraw on it, because a canvas does not follow CSS. */
export const THEME_CHANGED = "posthaste-theme";
