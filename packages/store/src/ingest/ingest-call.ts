import type { AccountId, EventId } from "@posthaste/domain";

export type EventToIngest = {
  readonly eventType: string;
  /** The bytes of the snapshot, JSON, as receivers get them. */
  readonly data: Uint8Array;
  readonly idempotencyKey: string | null;
  /** By which it is found; see `key-hashes.ts`. Default: none. */
  readonly keyHashes?: readonly Buffer[];
};

export type IngestedEvent = {
  readonly eventId: EventId;
  readonly deliveryCount: number;
  /** The key was used before with the same content, so nothing new was stored. */
  readonly duplicate: boolean;
};

/**
 * Computes what may hold the event loop for long, when its account's turn comes.
 *
 * @param bytes how much is looked at
 * @throws a Refusal if the turn does not come soon
 */
export type InTurn = <T>(bytes: number, compute: () => T | Promise<T>) => Promise<T>;

export type IngestCall = {
  readonly accountId: AccountId;
  /** The account in whose turns the call waits for a commit, if more wait than fit. Default: `accountId` */
  readonly chargedTo?: AccountId;
  readonly events: readonly EventToIngest[];
  /** Maximum deliveries created in this call; `continueFanout` creates the others. */
  readonly deliveriesMax: number;
  readonly now: number;
  /** The call's trace context (W3C). Default: none. */
  readonly traceparent?: string | undefined;
  /**
   * The call is part of a transaction that holds a live subscription of the account. An erasure ends all of
   * them before it deletes events. Default: false, and the account is looked at.
   */
  readonly holdsSubscription?: boolean;
  /** Compares contents in the account's turns. Default: each once everything that is ready has gone first. */
  readonly inTurn?: InTurn | undefined;
  /** The {@link pairOf} contents that were compared and are the same. Default: none. */
  readonly same?: ReadonlySet<string>;
};
