import { createHash } from "node:crypto";
import type { AccountId } from "@posthaste/domain";
import { LRUCache } from "lru-cache";

/**
 * Tokens that are remembered, 200 bytes each: those of an account that calls every now and then are. The
 * requests of others wait longer for their turns.
 */
const TOKENS_MAX = 20_000;

/** Whose request it probably is, before its token has been looked up. It gives no access. */
export type LastCallers = {
  /** Returns the account that had this header's token when it was last looked up. */
  of(authorization: string | null | undefined): AccountId | undefined;
  note(authorization: string | null | undefined, accountId: AccountId): void;
  /** Forgets a token that is good no longer. */
  forget(authorization: string | null | undefined): void;
};

/** Remembers the accounts of the tokens that were used last, by their hashes. */
export function createLastCallers(): LastCallers {
  const accounts = new LRUCache<string, AccountId>({ max: TOKENS_MAX });
  const keyOf = (authorization: string | null | undefined) =>
    createHash("sha256")
      .update(authorization ?? "")
      .digest("base64");
  return {
    of: (authorization) => (authorization ? accounts.get(keyOf(authorization)) : undefined),
    note: (authorization, accountId) => void accounts.set(keyOf(authorization), accountId),
    forget: (authorization) => void accounts.delete(keyOf(authorization)),
  };
}
