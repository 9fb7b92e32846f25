/** The path of portal links. What follows `#` is sent to no server. */
export const PORTAL_PATH = "/portal";

export type PortalLink = {
  /** Valid once; empty if the link has none. */
  readonly code: string;
  /** The path and query of the page to open. */
  readonly place: string;
};

/**
 * Reads what follows `#` in a portal link: `phl_…`, or `phl_…&path=%2Fdeliveries`.
 *
 * @param origin the console's
 */
export function readPortalLink(hash: string, origin: string): PortalLink {
  const [code = "", ...parameters] = hash.replace(/^#/, "").split("&");
  const path = new URLSearchParams(parameters.join("&")).get("path");
  return { code, place: path === null ? "/" : placeAt(path, origin) };
}

/** Returns the path and query of a page of this console; `/` if the path leads anywhere else. */
function placeAt(path: string, origin: string): string {
  try {
    const url = new URL(path, origin);
    // A browser takes `//host` and `/\host` for another origin.
    const isPage = path.startsWith("/") && url.origin === origin && url.pathname !== PORTAL_PATH;
    return isPage ? url.pathname + url.search : "/";
  } catch {
    return "/";
  }
}

/** Returns the link in a host's message `posthaste:open`. Undefined: it is another message, or no link. */
export function linkIn(message: unknown, origin: string): PortalLink | undefined {
  if (typeof message !== "object" || message === null) return undefined;
  const { type, path } = message as { type?: unknown; path?: unknown };
  if (type !== "posthaste:open" || typeof path !== "string") return undefined;
  const url = URL.canParse(path, origin) ? new URL(path, origin) : undefined;
  return url?.pathname === PORTAL_PATH ? readPortalLink(url.hash, origin) : undefined;
}
