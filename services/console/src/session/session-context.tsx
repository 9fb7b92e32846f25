import type { Session } from "@posthaste/contracts/session";
import { createContext, useContext } from "react";

export type CurrentSession = {
  readonly session: Session;
  /** Whether a portal link opened it: its reader is a customer, who knows of no token. */
  readonly isPortal: boolean;
  /** Whether an operator acts in an account that is not the token's own. */
  readonly isActing: boolean;
  /** Returns whether the token has this scope. */
  can(scope: string): boolean;
  signOut(): void;
};

export const SessionContext = createContext<CurrentSession | null>(null);

/**
 * Returns the current session.
 *
 * @throws if nobody is signed in
 */
export function useSession(): CurrentSession {
  const signedIn = useContext(SessionContext);
  if (signedIn === null) throw new Error("nobody is signed in");
  return signedIn;
}
