import {
  type Acceptance,
  type DeliveryId,
  type EventId,
  type Outcome,
  type Rate,
  type SubscriptionId,
  type SubscriptionState,
  TEST_ATTEMPT_TIMEOUT_MS,
} from "@posthaste/domain";
import { sql } from "kysely";
import type { Settled } from "../database/group-commit.ts";
import { SealError } from "../database/sealer.ts";
import type { Store } from "../database/store.ts";
import { type Delivery, deliveryOf } from "../deliveries/deliveries.ts";
import { hasPlace } from "../dispatch/places.ts";
import { isHostProven } from "../subscriptions/hosts.ts";
import { PACE_COLUMNS, rateOf } from "../subscriptions/pace.ts";
import {
  openSigningKeys,
  type SealedSigningKey,
  sealContextOf,
  signingKeysFor,
} from "../subscriptions/signing-keys.ts";

/** All data that an attempt needs. */
export type AttemptContext = {
  readonly delivery: Delivery;
  readonly subscription: {
    readonly id: SubscriptionId;
    readonly state: SubscriptionState;
    readonly targetUrl: string;
    readonly targetHash: Buffer;
    /** The credential that the receiver expects. */
    readonly credential: string | null;
    /** The owner's own headers, by lower-case name. */
    readonly headers: Readonly<Record<string, string>>;
    /** `whsec_…` and `whsk_…` of every live signing key. */
    readonly signingKeys: readonly string[];
    readonly acceptance: Acceptance;
    /** Null: the default. */
    readonly timeoutMs: number | null;
    /** Its owner's choice; null: unlimited. */
    readonly rate: Rate | null;
    /** Null: the default. */
    readonly concurrency: number | null;
    /** No attempt failed since the last success. */
    readonly isHealthy: boolean;
    /** The host has answered one of its deliveries with 2xx. */
    readonly isHostProven: boolean;
  };
  /**
   * The delivery occupies a place among its subscription's attempts: it was claimed, or its turn has come.
   */
  readonly isClaimed: boolean;
  /** The time of its next attempt was reserved. */
  readonly isReserved: boolean;
  readonly event: { readonly id: EventId; readonly type: string };
  /**
   * Why the subscription's secrets cannot be opened: the context has none of them, and must not be sent.
   * Undefined: they are here.
   */
  readonly sealError: SealError | undefined;
  /**
   * What is sent: a JSON array with one item, the snapshot byte for byte as ingested. Deliveries of one event
   * may share it.
   */
  readonly body: Uint8Array;
  readonly lastAttempt:
    | { readonly number: number; readonly outcome: Outcome; readonly status: number | null }
    | undefined;
};

/** The data of an attempt with the snapshot, or with the length of one that is read apart. */
export type LoadedRows = Omit<AttemptContext, "body"> & {
  /** Null: it is large; see `large-bodies.ts`. */
  readonly snapshot: Uint8Array | null;
  readonly snapshotBytes: number;
};

/**
 * Snapshots of up to this many bytes are read with their delivery's row, each as often as it has deliveries
 * in a group: 800 KiB in a group of 50. That saves most deliveries a statement.
 */
const INLINE_BYTES_MAX = 16 * 1024;
const SNAPSHOT_BYTES = sql<number>`length(e.data)`.as("snapshot_bytes");
const SMALL_SNAPSHOT = sql<Buffer | null>`
  case when length(e.data) <= ${sql.lit(INLINE_BYTES_MAX)} then e.data end
`.as("snapshot");

/**
 * Loads all data that attempts of these deliveries need, except large snapshots, and leaves out deliveries
 * that do not exist or have no event or subscription (see `cancel-orphan.ts`). If a live subscription has no
 * signing key, its deliveries get an error: nothing is sent unsigned.
 */
export async function loadForAttempts(
  store: Store,
  ids: readonly DeliveryId[],
  now: number,
): Promise<Map<DeliveryId, Settled<LoadedRows>>> {
  const contexts = await load(store, ids, now);
  // The keys are deleted when their subscription ends, which may have happened between the two queries.
  const unsignable = [...contexts.values()].filter((context) => !isSignable(context));
  if (unsignable.length > 0) {
    const again = unsignable.map(({ delivery }) => delivery.id);
    for (const [id, context] of await load(store, again, now)) contexts.set(id, context);
  }
  return new Map(
    [...contexts].map(([id, context]) => [
      id,
      isSignable(context)
        ? { result: context }
        : { error: new Error(`subscription ${context.subscription.id} has no signing key; rotate its key`) },
    ]),
  );
}

function isSignable({ subscription, sealError }: LoadedRows): boolean {
  const { state, signingKeys } = subscription;
  return state === "ended" || sealError !== undefined || signingKeys.length > 0;
}

async function load(
  store: Store,
  ids: readonly DeliveryId[],
  now: number,
): Promise<Map<DeliveryId, LoadedRows>> {
  const rows = await store.db
    .selectFrom("deliveries as d")
    .innerJoin("events as e", "e.id", "d.event_id")
    .selectAll("d")
    .select([SNAPSHOT_BYTES, SMALL_SNAPSHOT])
    .where("d.id", "in", ids)
    .execute();
  const subscriptions = await loadSubscriptions(
    store,
    [...new Set(rows.map((row) => row.subscription_id))],
    now,
  );
  const contexts = new Map<DeliveryId, LoadedRows>();
  for (const row of rows) {
    const delivery = deliveryOf(row);
    const loaded = subscriptions.get(delivery.subscriptionId);
    if (loaded === undefined) continue;
    const { subscription, sealError } = loaded;
    contexts.set(delivery.id, {
      delivery,
      subscription: delivery.isTest ? withTestTimeout(subscription) : subscription,
      sealError,
      isClaimed: hasPlace(row, now),
      isReserved: row.turn_at !== null,
      event: { id: delivery.eventId, type: delivery.eventType },
      snapshot: row.snapshot,
      snapshotBytes: row.snapshot_bytes,
      lastAttempt:
        delivery.lastOutcome === null
          ? undefined
          : { number: delivery.attempts, outcome: delivery.lastOutcome, status: delivery.lastStatus },
    });
  }
  return contexts;
}

/** The caller of a test waits for its outcome, so the attempt's timeout is capped. */
function withTestTimeout(subscription: AttemptContext["subscription"]): AttemptContext["subscription"] {
  const timeoutMs = Math.min(subscription.timeoutMs ?? TEST_ATTEMPT_TIMEOUT_MS, TEST_ATTEMPT_TIMEOUT_MS);
  return { ...subscription, timeoutMs };
}

async function loadSubscriptions(
  store: Store,
  ids: readonly SubscriptionId[],
  now: number,
): Promise<Map<SubscriptionId, Pick<AttemptContext, "subscription" | "sealError">>> {
  if (ids.length === 0) return new Map();
  const rows = await store.db
    .selectFrom("subscriptions")
    .select([
      "id",
      "state",
      "target_url",
      "target_hash",
      "credential",
      "headers",
      "acceptance",
      "timeout_ms",
      "failing_since",
      "host_hash",
      "host_proven",
      ...PACE_COLUMNS,
    ])
    .where("id", "in", ids)
    .execute();
  const keys = await signingKeysFor(store, ids, now);
  return new Map(
    rows.map((row) => {
      const id = row.id;
      const { sealError, ...secrets } = openSecrets(store, row, keys.get(id) ?? []);
      const subscription = {
        id,
        state: row.state,
        targetUrl: row.target_url,
        targetHash: row.target_hash,
        ...secrets,
        acceptance: row.acceptance,
        timeoutMs: row.timeout_ms,
        rate: rateOf(row),
        concurrency: row.concurrency,
        isHealthy: row.failing_since === null,
        isHostProven: isHostProven(row),
      };
      return [id, { subscription, sealError }];
    }),
  );
}

/** Opens all secrets of a subscription, or none: the others of a group do not fail with it. */
function openSecrets(
  store: Store,
  row: { id: SubscriptionId; credential: Buffer | null; headers: Buffer | null },
  keys: readonly SealedSigningKey[],
): Pick<AttemptContext["subscription"], "credential" | "headers" | "signingKeys"> &
  Pick<AttemptContext, "sealError"> {
  const open = (column: "credential" | "headers") => {
    const sealed = row[column];
    return sealed === null ? null : store.sealer.open(sealed, sealContextOf(row.id, column));
  };
  try {
    return {
      credential: open("credential"),
      headers: JSON.parse(open("headers") ?? "{}"),
      signingKeys: openSigningKeys(store, row.id, keys),
      sealError: undefined,
    };
  } catch (error) {
    if (!(error instanceof SealError)) throw error;
    return { credential: null, headers: {}, signingKeys: [], sealError: error };
  }
}

/** Reads events' snapshots, and leaves out events that do not exist. */
export async function readSnapshots(
  { db }: Store,
  ids: readonly EventId[],
): Promise<Map<EventId, Uint8Array>> {
  const rows = await db.selectFrom("events").select(["id", "data"]).where("id", "in", ids).execute();
  return new Map(rows.map(({ id, data }) => [id, data]));
}
