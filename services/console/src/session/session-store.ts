import { type Session, Theme } from "@posthaste/contracts/session";
import { fixedTheme, fixTheme } from "../shell/theme.ts";
import { PORTAL_PATH } from "./portal-link.ts";
import { type HeldSession, type SessionEvent, type Stage, stageAfter, tokenOf } from "./stage.ts";
import { forgetSession, forgetToken, readSession, writeSession } from "./stored-session.ts";
import { joinTabs, NO_TABS } from "./tabs.ts";

/*
 * The session of this tab, outside of React because the transport uses it, too. Every change is an event; the
 * tab's storage and the other tabs follow the stage.
 */

/** A page in a frame stays apart. */
const isFramed = window.parent !== window;
let stage = firstStage();
const listeners = new Set<() => void>();
/** When the reader used this tab. A few times reach back to before the tab that they opened has loaded. */
const uses = [Date.now()];
const USES_KEPT = 20;

const tabs = isFramed
  ? NO_TABS
  : joinTabs({
      held: () => (stage.kind === "signed in" && !stage.isEnded ? stage.held : undefined),
      usedBefore: (at) => uses.findLast((use) => use < at) ?? 0,
      onAnswer: (held) => happen({ kind: "answered", held }),
      onNoAnswer: () => happen({ kind: "unanswered" }),
      onSignedIn: (held) => happen({ kind: "signed in elsewhere", held }),
      onSignedOut: (token) => happen({ kind: "signed out", token }),
    });

const noteUse = () => {
  uses.push(Date.now());
  if (uses.length > USES_KEPT) uses.shift();
};
for (const use of ["pointerdown", "keydown", "focus"]) {
  window.addEventListener(use, noteUse, { capture: true, passive: true });
}
// Back may bring this page out of the browser's cache after the tab has got another session.
window.addEventListener("pageshow", ({ persisted }) => {
  if (persisted && readSession().held?.token !== tokenOf(stage)) location.reload();
});
if (stage.kind === "asking") tabs.ask(performance.timeOrigin);

function firstStage(): Stage {
  if (location.pathname === PORTAL_PATH) return { kind: "opening" };
  const { held, isPortal } = readSession();
  if (held !== undefined) return { kind: "resuming", held };
  // Nobody types a token into another site's page: only a link leads on in a frame.
  if (isPortal || isFramed) return { kind: "signed out", isPortal: true, why: "ended" };
  return { kind: "asking" };
}

export const currentStage = (): Stage => stage;

/** Whether the reader is an operator's customer, who came by a portal link and knows of no token. */
export function isCustomer(): boolean {
  if (stage.kind === "signed in" || stage.kind === "resuming") return stage.held.isPortal;
  return stage.kind === "opening" || (stage.kind === "signed out" && stage.isPortal);
}

export function onStageChange(listener: () => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** Moves to the stage after an event. */
export function happen(event: SessionEvent): void {
  const before = stage;
  stage = stageAfter(before, event);
  if (stage === before) return;
  store(before, stage);
  for (const listener of [...listeners]) listener();
}

function store(before: Stage, after: Stage): void {
  if (after.kind === "signed out") {
    forgetSession(after.isPortal);
    fixTheme(after.isPortal ? fixedTheme() : undefined);
  }
  if (after.kind !== "signed in") return;
  if (after.isEnded) {
    forgetToken();
    return;
  }
  const goesOn = before.kind === "signed in" && before.number === after.number;
  writeSession(after.held, goesOn);
  fixTheme(themeOf(after.session));
  // The address may name what only the previous account has.
  if (before.kind === "signed in" && !goesOn) history.replaceState(null, "", "/");
}

/** Returns the theme that the session's portal link chose. */
function themeOf({ theme }: Session): "light" | "dark" | undefined {
  if (theme === Theme.UNSPECIFIED) return undefined;
  return theme === Theme.DARK ? "dark" : "light";
}

/** Begins a session that the reader has signed in to, and tells the other tabs. */
export function signIn(held: HeldSession, session: Session): void {
  happen({ kind: "signed in", held, session });
  tabs.tellSignedIn(held);
}

/** Ends the session in all tabs that share it. */
export function signOut(): void {
  const token = tokenOf(stage);
  if (token === undefined) return;
  happen({ kind: "signed out", token });
  tabs.tellSignedOut(token);
}

/**
 * Waits for a session that follows a refused one in the same account. Resolves with its token; with undefined
 * if another session or none follows, or the signal aborts.
 */
export async function renewedToken(refused: string, signal: AbortSignal): Promise<string | undefined> {
  const from = stage;
  if (from.kind !== "signed in") return undefined;
  return await new Promise((resolve) => {
    const settle = (token: string | undefined) => {
      stop();
      signal.removeEventListener("abort", giveUp);
      resolve(token);
    };
    const giveUp = () => settle(undefined);
    const look = () => {
      const goesOn = stage.kind === "signed in" && stage.number === from.number;
      if (!goesOn) giveUp();
      else if (tokenOf(stage) !== refused) settle(tokenOf(stage));
    };
    const stop = onStageChange(look);
    signal.addEventListener("abort", giveUp);
    if (signal.aborted) giveUp();
    else look();
  });
}
