/** The path of portal links; the code follows `#`. */
export const PORTAL_PATH = "/portal";

/** The paths at which the console's page is served; the page itself routes among them. */
export const CONSOLE_PATHS = [
  "/",
  PORTAL_PATH,
  "/deliveries",
  "/deliveries/:id",
  "/subscriptions",
  "/subscriptions/:id",
  "/event-types",
  "/event-types/-/new",
  "/event-types/:code",
  "/event-types/:code/edit",
  "/event-types/:code/versions",
  "/events",
  "/events/:id",
  "/search",
  "/recover",
  "/inbox",
  "/guide/receivers",
  "/operator",
  "/operator/accounts",
  "/operator/accounts/:id",
  "/operator/audit",
] as const;
