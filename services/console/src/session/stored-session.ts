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
const ACTING_IN = "posthaste.acting-in";

export type StoredSession = { readonly held: HeldSession | undefined; readonly isPortal: boolean };

export function readSession(): StoredSession {
  try {
    const token = sessionStorage.getItem(TOKEN);
    const isPortal = sessionStorage.getItem(PORTAL) !== null;
    const acting = sessionStorage.getItem(ACTING_IN);
    const actingIn = acting === null ? {} : { actingIn: Number(acting) };
    return { held: token === null ? undefined : { token, isPortal, ...actingIn }, isPortal };
  } catch {
    return { held: undefined, isPortal: false };
  }
}

/** @param goesOn whether what the tab keeps besides, such as its inbox, is the same account's */
export function writeSession({ token, isPortal, actingIn }: HeldSession, goesOn: boolean): void {
  try {
    const before = readSession().held;
    if (!goesOn && (before?.token !== token || before.actingIn !== actingIn)) sessionStorage.clear();
    sessionStorage.setItem(TOKEN, token);
    if (isPortal) sessionStorage.setItem(PORTAL, "1");
    else sessionStorage.removeItem(PORTAL);
    if (actingIn === undefined) sessionStorage.removeItem(ACTING_IN);
    else sessionStorage.setItem(ACTING_IN, String(actingIn));
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
