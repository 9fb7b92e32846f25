import type { AccountId, AuditActor, TokenId } from "@posthaste/domain";

/** Who makes a change, and with what. */
export type By = {
  readonly actor: Exclude<AuditActor, "token"> | TokenActor;
  /**
   * An RPC, such as `posthaste.v1.SubscriptionService/PauseSubscription`, a route, such as
   * `DELETE /api/Webhook/:id`, a command, or what Posthaste does by itself, such as `subscription_disabled`.
   */
  readonly action: string;
  /**
   * Called before a change is entered, with how many bytes it stores for years; also if the transaction is
   * then rolled back.
   *
   * @throws Refusal `too_many` if whoever makes it has stored too much
   */
  readonly charge?: (bytes: number) => void;
};

/** The token that makes a change, as of then: its name is kept when it is gone. */
export type TokenActor = {
  readonly tokenId: TokenId;
  readonly accountId: AccountId;
  readonly name: string;
  readonly hint: string;
};

/** A program of the operator's that uses the store without an API: a bench, a test. */
export const BY_PROGRAM: By = { actor: "operator", action: "a program" };

/** Returns Posthaste as the one who makes a change. */
export function byPosthaste(action: "subscription_disabled" | "subscription_ended"): By {
  return { actor: "posthaste", action };
}

/** Returns the reason with which a subscription ends that somebody deletes. */
export function deletedBy({ actor }: By, owner: AccountId): string {
  if (typeof actor === "string") return "deleted by an operator";
  return actor.accountId === owner
    ? `deleted by its owner, with the token ${actor.tokenId} (${actor.name})`
    : "deleted by an operator";
}
