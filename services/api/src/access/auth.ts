import { Refusal, type Scope } from "@posthaste/domain";
import { authenticate, type Principal, type Store } from "@posthaste/store";
import { shareLooks } from "./share-looks.ts";

/** Who may do what: a scope, `any` valid token, or `public` without one. */
export type Access = Scope | "any" | "public";

/**
 * Reads `Authorization: Bearer` and looks the token up.
 *
 * @throws Refusal `unauthenticated`, the same for an unknown, an expired and a revoked token
 */
export type Authenticate = (authorization: string | null | undefined) => Promise<Principal>;

/** Each call has its token looked up, for one revoked in another process, too, is refused at once. */
export function createAuthenticate(store: Store, now: () => number): Authenticate {
  const look = shareLooks((secret) => authenticate(store, secret, now()));
  return (authorization) => principalOf(look, authorization);
}

async function principalOf(
  look: (secret: string) => Promise<Principal | undefined>,
  authorization: string | null | undefined,
): Promise<Principal> {
  const match = /^Bearer +([!-~]{1,255})$/i.exec(authorization ?? "");
  if (match?.[1] === undefined) {
    throw new Refusal(
      "unauthenticated",
      "send the header Authorization: Bearer with a token of your account",
    );
  }
  const principal = await look(match[1]);
  if (principal === undefined) {
    throw new Refusal("unauthenticated", "this token is unknown, expired or revoked; ask for a new one");
  }
  return principal;
}

/** @throws Refusal `forbidden`, naming the scope */
export function requireScope(principal: Principal, scope: Scope): void {
  if (principal.scopes.includes(scope) || principal.scopes.includes("admin")) return;
  throw new Refusal("forbidden", `this token lacks the scope ${scope}; use one that has it`);
}
