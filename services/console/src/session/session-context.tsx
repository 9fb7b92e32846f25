import type { Session } from "@posthaste/contracts/session";
import { createContext, useContext } from "react";

export type SignedIn = {
  readonly session: Session;
  /** Whether the token may do this. */
  can(scope: string): boolean;
  signOut(): void;
};

export const SessionContext = createContext<SignedIn | null>(null);

/** Who is signed in; only pages that need somebody use it. */
export function useSession(): SignedIn {
  const signedIn = useContext(SessionContext);
  if (signedIn === null) throw new Error("nobody is signed in here");
  return signedIn;
}
