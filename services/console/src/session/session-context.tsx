import type { Session } from "@posthaste/contracts/session";
import { createContext, useContext } from "react";

export type SignedIn = {
  readonly session: Session;
  /** Returns whether the token has this scope. */
  can(scope: string): boolean;
  signOut(): void;
};

export const SessionContext = createContext<SignedIn | null>(null);

/**
 * Returns the current session.
 *
 * @throws if nobody is signed in
 */
export function useSession(): SignedIn {
  const signedIn = useContext(SessionContext);
  if (signedIn === null) throw new Error("nobody is signed in");
  return signedIn;
}
