/** Where a portal link leads to; its code follows `#`. */
export const PORTAL_PATH = "/portal";

/** The addresses that the console's page has; it finds its way among them by itself. */
export const CONSOLE_PATHS = [
  "/",
  PORTAL_PATH,
  "/deliveries",
  "/deliveries/:id",
  "/subscriptions",
  "/subscriptions/:id",
  "/event-types",
  "/event-types/:code",
  "/recover",
  "/inbox",
] as const;
