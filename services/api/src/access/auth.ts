import { Refusal, type Scope } from "@posthaste/domain";
import { authenticate, type Principal, type Store } from "@posthaste/store";
import { shareLooks } from "./share-looks.ts";

/** The access a call requires: a scope, `any` valid token, or no token (`public`). */
export type Access = Scope | "any" | "public";

/**
 * Looks up the token of an `Authorization: Bearer` header.
 *
 * @throws Refusal `unauthenticated`, with the same message for an unknown, an expired and a revoked token
 */
export type Authenticate = (authorization: string | null | undefined) => Promise<Principal>;

/** Looks the token up for every call, so that a token revoked by any process is refused at once. */
export function createAuthenticate(store: Store, now: () => number): Authenticate {
  const lookUp = shareLooks((secret) => authenticate(store, secret, now()));
  return (authorization) => principalOf(lookUp, authorization);
}

async function principalOf(
  lookUp: (secret: string) => Promise<Principal | undefined>,
  authorization: string | null | undefined,
): Promise<Principal> {
  const match = /^Bearer +([!-~]{1,255})$/i.exec(authorization ?? "");
  if (match?.[1] === undefined) {
    throw new Refusal(
      "unauthenticated",
      "send the header Authorization: Bearer with a token of your account",
      { reason: "TOKEN_MISSING" },
    );
  }
  const principal = await lookUp(match[1]);
  if (principal === undefined) {
    throw new Refusal("unauthenticated", "this token is unknown, expired or revoked; ask for a new one");
  }
  return principal;
}

/** @throws Refusal `forbidden`, naming the missing scope */
export function requireScope(principal: Pick<Principal, "scopes">, scope: Scope): void {
  if (principal.scopes.includes(scope) || principal.scopes.includes("admin")) return;
  throw new Refusal("forbidden", `this token lacks the scope ${scope}; use one that has it`, {
    metadata: { scope },
  });
}
