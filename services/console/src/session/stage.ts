import type { Session } from "@posthaste/contracts/session";

/** A token that this tab may use. */
export type HeldSession = {
  readonly token: string;
  /** Whether it came by a portal link: its holder is a customer, who knows of no token. */
  readonly isPortal: boolean;
  /** The account that an operator acts in. Undefined: the token's own. */
  readonly actingIn?: number | undefined;
};

/** Whether and as whom this tab is signed in. */
export type Stage =
  /** A portal link was opened; its code is being exchanged. */
  | { readonly kind: "opening" }
  /** The tab has no session and asks the browser's other tabs for theirs. */
  | { readonly kind: "asking" }
  /** The session of the held token is being fetched. */
  | { readonly kind: "resuming"; readonly held: HeldSession }
  | { readonly kind: "signed out"; readonly isPortal: boolean; readonly why: SignedOutBecause }
  | SignedIn;

export type SignedIn = {
  readonly kind: "signed in";
  readonly held: HeldSession;
  readonly session: Session;
  /** Counts this tab's sessions of different accounts: what belongs to one must not outlive it. */
  readonly number: number;
  /** Whether the API refuses the token by now. The page stays until somebody signs in again. */
  readonly isEnded: boolean;
  /** A session that began in another tab after this one ended. */
  readonly offered: HeldSession | undefined;
};

export type SignedOutBecause = "nobody signed in" | "signed out" | "ended";

export type SessionEvent =
  | { readonly kind: "signed in"; readonly held: HeldSession; readonly session: Session }
  /** The API refuses a token: it expired or was revoked. */
  | { readonly kind: "refused"; readonly token: string }
  | { readonly kind: "signed out"; readonly token: string }
  /** Another tab answers the question of this one. */
  | { readonly kind: "answered"; readonly held: HeldSession }
  /** No tab answered in time. A later answer still counts. */
  | { readonly kind: "unanswered" }
  /** Somebody signed in in another tab. */
  | { readonly kind: "signed in elsewhere"; readonly held: HeldSession };

/** Returns the stage after an event; the same object if the event changes nothing. */
export function stageAfter(stage: Stage, event: SessionEvent): Stage {
  switch (event.kind) {
    case "signed in":
      return signedIn(stage, event.held, event.session);
    case "refused":
      if (tokenOf(stage) !== event.token) return stage;
      if (stage.kind === "signed in") return { ...stage, isEnded: true };
      return signedOut(stage, "ended");
    case "signed out":
      return tokenOf(stage) === event.token ? signedOut(stage, "signed out") : stage;
    case "answered": {
      const isWaiting =
        stage.kind === "asking" || (stage.kind === "signed out" && stage.why === "nobody signed in");
      return isWaiting ? { kind: "resuming", held: event.held } : stage;
    }
    case "unanswered":
      return stage.kind === "asking" ? signedOut(stage, "nobody signed in") : stage;
    case "signed in elsewhere":
      return signedInElsewhere(stage, event.held);
  }
}

/** Returns the token to call the API with. */
export function tokenOf(stage: Stage): string | undefined {
  return stage.kind === "signed in" || stage.kind === "resuming" ? stage.held.token : undefined;
}

function signedIn(stage: Stage, held: HeldSession, session: Session): SignedIn {
  const number = stage.kind === "signed in" ? stage.number : 0;
  const goesOn = stage.kind === "signed in" && stage.session.accountId === session.accountId;
  return {
    kind: "signed in",
    // Somebody may have pasted the token of a portal's session.
    held: { ...held, isPortal: held.isPortal || session.portal },
    ...{ session, isEnded: false, offered: undefined },
    number: goesOn ? number : number + 1,
  };
}

function signedOut(stage: Stage, why: SignedOutBecause): Stage {
  const isPortal = (stage.kind === "signed in" || stage.kind === "resuming") && stage.held.isPortal;
  return { kind: "signed out", isPortal, why };
}

/** An operator's tabs sign in together. A customer's tab goes on only in the account that it shows. */
function signedInElsewhere(stage: Stage, held: HeldSession): Stage {
  if (stage.kind === "signed out") {
    return stage.isPortal || held.isPortal ? stage : { kind: "resuming", held };
  }
  const isOffered = stage.kind === "signed in" && stage.isEnded && stage.held.isPortal === held.isPortal;
  return isOffered ? { ...stage, offered: held } : stage;
}
