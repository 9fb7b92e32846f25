/** The themes that a portal link may choose for its session. */
export const SESSION_THEMES = ["light", "dark"] as const;

/** Null: the reader chooses. */
export type SessionTheme = (typeof SESSION_THEMES)[number] | null;
