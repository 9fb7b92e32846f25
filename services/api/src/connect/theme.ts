import { Theme } from "@posthaste/contracts/session";
import { SESSION_THEMES, type SessionTheme } from "@posthaste/domain";
import { enumOf, nameOf } from "./enum-of.ts";

const THEMES = enumOf(SESSION_THEMES, Theme);

/** Returns null for unspecified: the reader chooses. */
export function themeFrom(theme: Theme): SessionTheme {
  return nameOf(THEMES, theme) ?? null;
}

export function themeTo(theme: SessionTheme): Theme {
  return theme === null ? Theme.UNSPECIFIED : THEMES[theme];
}
