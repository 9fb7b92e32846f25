import type { HeldSession } from "./stage.ts";

/*
 * Keeps this tab's session over a reload, in its session storage, which ends with the tab. A browser may
 * write that to its disk to restore the tab after a crash. No other storage survives a reload of the only tab
 * without reaching further: cookies and local storage are on the disk for good. If the browser denies
 * storage, for example inside another site's frame, the session ends with a reload.
 */

const TOKEN = "posthaste.token";
/** Present in a customer's tab, also after the session has ended: a customer is not asked for a token. */
const PORTAL = "posthaste.portal";

export type StoredSession = { readonly held: HeldSession | undefined; readonly isPortal: boolean };

export function readSession(): StoredSession {
  try {
    const token = sessionStorage.getItem(TOKEN);
    const isPortal = sessionStorage.getItem(PORTAL) !== null;
    return { held: token === null ? undefined : { token, isPortal }, isPortal };
  } catch {
    return { held: undefined, isPortal: false };
  }
}

/** @param goesOn whether what the tab keeps besides, such as its inbox, is the same account's */
export function writeSession({ token, isPortal }: HeldSession, goesOn: boolean): void {
  try {
    if (!goesOn && sessionStorage.getItem(TOKEN) !== token) sessionStorage.clear();
    sessionStorage.setItem(TOKEN, token);
    if (isPortal) sessionStorage.setItem(PORTAL, "1");
    else sessionStorage.removeItem(PORTAL);
  } catch {
    // The browser denies storage: the session ends with a reload.
  }
}

/** Forgets a token that the API refuses. */
export function forgetToken(): void {
  try {
    sessionStorage.removeItem(TOKEN);
  } catch {
    // The browser denies storage, so it holds nothing.
  }
}

/** Forgets the session and all that the tab kept for its account. */
export function forgetSession(isPortal: boolean): void {
  try {
    sessionStorage.clear();
    if (isPortal) sessionStorage.setItem(PORTAL, "1");
  } catch {
    // The browser denies storage, so it holds nothing.
  }
}
