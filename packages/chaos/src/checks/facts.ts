import type { Standing } from "@posthaste/delivery/client";
import type { LoggedAttempt } from "@posthaste/stack";
import type { Seen } from "../receivers.ts";
import type { Accepted, Known, Ledger } from "../world.ts";

/**
 * What is known after a run: what the run did, what is stored, and what the receivers saw. Rows that were
 * deleted meanwhile, by retention or an erasure, are among those that are stored.
 */
export type Facts = {
  readonly accepted: readonly Accepted[];
  readonly known: ReadonlyMap<number, Known>;
  readonly accountIds: Readonly<Record<"good" | "hostile", number>>;
  readonly cancelled: Ledger["cancelled"];
  readonly faults: Ledger["faults"];
  readonly acts: Ledger["acts"];
  readonly troubles: Ledger["troubles"];
  readonly subscriptions: readonly StoredSubscription[];
  readonly events: readonly (StoredEvent & Deletable)[];
  readonly deliveries: readonly (StoredDelivery & Deletable)[];
  readonly attempts: readonly (StoredAttempt & Deletable)[];
  readonly changes: readonly (StoredChange & Deletable)[];
  readonly fanouts: readonly { readonly event_id: string }[];
  readonly recoveries: readonly StoredRecovery[];
  readonly erasures: readonly StoredErasure[];
  readonly statistics: readonly StoredCounts[];
  /** Rows of accounts whose erasure has completed, by table. */
  readonly erasedRows: readonly { table: string; accountId: number; rows: number }[];
  readonly seen: readonly Seen[];
  /** Requests whose signature did not verify. */
  readonly unsigned: readonly Seen[];
  /** Attempts that the run itself requested: {@link attemptKey} of each. */
  readonly asked: ReadonlySet<string>;
  /** The deliveries whose next attempt the run requested, as they were before. */
  readonly waiting: readonly Waiting[];
  /** The open workflows whose deliveries have ended or are gone. */
  readonly workflowsOfEnded: readonly OpenWorkflow[];
  readonly now: number;
};

type Deletable = { readonly isDeleted: boolean };

export type StoredSubscription = {
  readonly id: number;
  readonly account_id: number;
  readonly target_url: string;
  readonly state: string;
  readonly draining: number;
  readonly ending: number;
  readonly ended_at: number | null;
};

export type StoredEvent = {
  readonly id: string;
  readonly account_id: number;
  readonly event_type: string;
  readonly data: Uint8Array;
  readonly created_at: number;
};

export type StoredDelivery = {
  readonly id: string;
  readonly account_id: number;
  readonly event_id: string;
  readonly event_type: string;
  readonly subscription_id: number;
  readonly state: string;
  readonly attempts: number;
  readonly next_attempt_at: number | null;
  readonly reconcile_after: number | null;
  readonly created_at: number;
  readonly started_at: number | null;
  readonly ended_reason: string | null;
  readonly recovery_id: number | null;
};

/** A started delivery at a time. */
export type Waiting = Pick<
  StoredDelivery,
  "id" | "state" | "attempts" | "next_attempt_at" | "reconcile_after"
> & { readonly at: number };

export type StoredAttempt = LoggedAttempt & {
  readonly account_id: number;
  readonly target_url: string;
  readonly outcome: string;
  readonly status: number | null;
};

export type StoredChange = {
  readonly id: number;
  readonly batch: number | null;
  readonly account_id: number;
  readonly delivery_id: string;
  readonly event_id: string;
  readonly subscription_id: number;
  readonly cause: string;
  readonly state: string;
  readonly attempts: number;
  readonly attempt_ms: number | null;
  readonly last_outcome: string | null;
  readonly changed_at: number;
};

export type StoredRecovery = {
  readonly id: number;
  readonly account_id: number;
  readonly kind: string;
  readonly subscription_id: number | null;
  readonly state: string;
  readonly until_at: number;
  readonly created_at: number;
  readonly ended_at: number | null;
};

export type StoredErasure = {
  readonly id: number;
  readonly account_id: number;
  readonly state: string;
  readonly ended_at: number | null;
};

/** A workflow of a delivery that Temporal has not closed. */
export type OpenWorkflow = { readonly deliveryId: string; readonly standing: Standing };

/** The counters of one span of time. */
export type StoredCounts = {
  readonly account_id: number;
  readonly span_ms: number;
  readonly from_at: number;
} & Counts;

export type Counts = Readonly<
  Record<"events" | "deliveries" | "succeeded" | "failed" | "attempts" | "accepted", number>
>;

/** Returns lines, each of which is a broken promise, names what is concerned and says what to look at. */
export type Check = (facts: Facts) => readonly string[];

/** Identifies one attempt of a delivery. */
export function attemptKey(deliveryId: string, number: number): string {
  return `${deliveryId} ${number}`;
}

/** Returns whether an account is one of those that the run erases. */
export function isErased({ accountIds }: Facts, accountId: number): boolean {
  return accountId !== accountIds.good && accountId !== accountIds.hostile;
}

export function groupBy<T>(items: readonly T[], keyOf: (item: T) => string | number) {
  const groups = new Map<string | number, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups as ReadonlyMap<string | number, readonly T[]>;
}
