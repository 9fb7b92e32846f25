import { brand } from "../api/brand.ts";
import { linkIn, type PortalLink } from "./portal-link.ts";
import type { Stage } from "./stage.ts";

/** What this page tells the one in whose frame it is: that it is shown, or has no session any more. */
export type HostMessage = "posthaste:ready" | "posthaste:session-ended";

/** Returns what a host should know at a stage. It is not told that its reader signed out. */
export function messageAt(stage: Stage): HostMessage | undefined {
  if (stage.kind === "signed in") return stage.isEnded ? "posthaste:session-ended" : "posthaste:ready";
  return stage.kind === "signed out" && stage.why === "ended" ? "posthaste:session-ended" : undefined;
}

/** Tells the host, if there is one. Only origins that may frame the page hear of it. */
export function tellHost(type: HostMessage): void {
  if (window.parent === window) return;
  // Where its reader was, for a host that loads the page anew.
  const place = type === "posthaste:session-ended" ? { path: location.pathname + location.search } : {};
  for (const origin of hostOrigins(brand().frameAncestors, location.ancestorOrigins?.[0])) {
    window.parent.postMessage({ type, version: 1, ...place }, origin);
  }
}

/**
 * Returns the origins to send a message to. The browser delivers it only to a host of that origin.
 *
 * @param host the host's origin, if the browser tells; others are then left out, since each is an error in
 *   its console
 */
export function hostOrigins(allowed: readonly string[], host: string | undefined): readonly string[] {
  return host === undefined ? allowed : allowed.filter((origin) => origin === host);
}

/** Calls back with each portal link that the host sends. A host that may not frame the page is not heard. */
export function onLinkFromHost(open: (link: PortalLink) => void): void {
  if (window.parent === window) return;
  window.addEventListener("message", ({ source, origin, data }) => {
    // Any page that has this window may send a message.
    if (source !== window.parent || !brand().frameAncestors.includes(origin)) return;
    const link = linkIn(data, location.origin);
    if (link !== undefined) open(link);
  });
}
