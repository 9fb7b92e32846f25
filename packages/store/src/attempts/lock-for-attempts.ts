import type { DeliveryId, Outcome, SubscriptionId } from "@posthaste/domain";
import { sql } from "kysely";
import { Held } from "../database/contended.ts";
import { lockRows } from "../database/lock-rows.ts";
import type { Store } from "../database/store.ts";
import type { Tx } from "../database/transact.ts";
import { type LockedDelivery, MOVED_COLUMNS } from "../deliveries/move.ts";
import type { LockedSubscriptions } from "../lifecycle/note-health.ts";
import { lockSubscriptions } from "../subscriptions/lock-subscription.ts";
import { lockAllTurns, type Turns } from "../subscriptions/pace.ts";

/** What decides which rows the record of an attempt needs; see `AttemptToRecord`. */
type ToLock = {
  readonly deliveryId: DeliveryId;
  readonly attempt: { readonly number: number; readonly outcome: Outcome };
  readonly nextAttemptAt: number | null;
  readonly pace?: unknown;
  readonly wasHealthy?: boolean;
};

type Row = LockedDelivery & { readonly failing_since: number | null };

export type LockedForAttempts = {
  readonly subscriptions: LockedSubscriptions;
  readonly lines: ReadonlyMap<SubscriptionId, Turns>;
  readonly rows: ReadonlyMap<DeliveryId, Row>;
  /** The records that need a row which another transaction holds. */
  readonly held: ReadonlyMap<DeliveryId, Held>;
  /** Subscriptions that turned out to be failing. A success changes their health, but they are not locked. */
  readonly missed: readonly SubscriptionId[];
};

/**
 * Locks the rows that the records of these attempts change, in the order of `lock-rows.ts`. It waits for
 * none: the records are of all accounts.
 *
 * @param foundFailing subscriptions that an earlier run of the transaction has missed
 */
export async function lockForAttempts(
  store: Store,
  tx: Tx,
  records: readonly ToLock[],
  foundFailing: ReadonlySet<SubscriptionId>,
): Promise<LockedForAttempts> {
  const { subscriptions, lines } = await lockParents(store, tx, records, foundFailing);
  const rows = new Map((await lockWithHealth(store, tx, records)).map((row) => [row.id, row]));
  const held = await heldOf(tx, records, { subscriptions, lines, rows, foundFailing });
  const free = records.filter(({ deliveryId }) => !held.has(deliveryId));
  return { subscriptions, lines, rows, held, missed: failingButUnlocked(free, rows, subscriptions) };
}

/**
 * Locks the subscriptions and lines that these records change, except those that are held. Their ids are read
 * first, without a lock: the subscription of a delivery never changes.
 */
async function lockParents(
  store: Store,
  tx: Tx,
  records: readonly ToLock[],
  alsoLocked: ReadonlySet<SubscriptionId>,
): Promise<Pick<LockedForAttempts, "subscriptions" | "lines">> {
  const health = new Set(records.filter(concernsHealth).map(({ deliveryId }) => deliveryId));
  const lines = new Set(records.filter(concernsLine).map(({ deliveryId }) => deliveryId));
  const ids = [...new Set([...health, ...lines])];
  const parents =
    ids.length === 0
      ? []
      : await tx
          .selectFrom("deliveries")
          .select(["id", "subscription_id", "test"])
          .where("id", "in", ids)
          .execute();
  // A test's outcome does not count towards the subscription's health.
  const ofHealth = parents.filter((row) => health.has(row.id) && row.test === 0);
  const wanted = [...ofHealth.map((row) => row.subscription_id), ...alsoLocked];
  const subscriptions = await lockSubscriptions(store, tx, wanted, { ifLocked: "skip" });
  const ofLines = new Set(parents.filter((row) => lines.has(row.id)).map((row) => row.subscription_id));
  if (ofLines.size === 0) return { subscriptions, lines: new Map() };
  return { subscriptions, lines: await lockAllTurns(store, tx, [...ofLines], { ifLocked: "skip" }) };
}

/**
 * Returns the records that need a row which another transaction holds. A row that does not exist is not held.
 * Mostly every row is locked, and nothing is read.
 */
async function heldOf(
  tx: Tx,
  records: readonly ToLock[],
  locked: {
    readonly subscriptions: LockedSubscriptions;
    readonly lines: ReadonlyMap<SubscriptionId, Turns>;
    readonly rows: ReadonlyMap<DeliveryId, LockedDelivery>;
    readonly foundFailing: ReadonlySet<SubscriptionId>;
  },
): Promise<ReadonlyMap<DeliveryId, Held>> {
  const missing = records.flatMap((record) => {
    const { deliveryId } = record;
    const row = locked.rows.get(deliveryId);
    if (row === undefined) return { deliveryId, table: "deliveries" as const, id: deliveryId };
    const id = row.subscription_id;
    const needsSubscription = row.test === 0 && (concernsHealth(record) || locked.foundFailing.has(id));
    if (needsSubscription && !locked.subscriptions.has(id))
      return { deliveryId, table: "subscriptions" as const, id };
    if (concernsLine(record) && !locked.lines.has(id)) return { deliveryId, table: "turns" as const, id };
    return [];
  });
  const held = new Map<DeliveryId, Held>();
  for (const table of ["deliveries", "subscriptions", "turns"] as const) {
    const ofTable = missing.filter((one) => one.table === table);
    if (ofTable.length === 0) continue;
    const ids = [...new Set(ofTable.map(({ id }) => id))];
    const key = table === "turns" ? "subscription_id" : "id";
    const { rows } = await sql<{ id: DeliveryId | SubscriptionId }>`
      select ${sql.ref(key)} as id from ${sql.table(table)} where ${sql.ref(key)} in (${sql.join(ids)})
    `.execute(tx);
    const existing = new Set(rows.map(({ id }) => id));
    for (const { deliveryId, id } of ofTable) {
      if (existing.has(id)) held.set(deliveryId, new Held(`another transaction holds row ${id} of ${table}`));
    }
  }
  return held;
}

function concernsHealth({ attempt, wasHealthy = false }: ToLock): boolean {
  return attempt.outcome !== "accepted" || !wasHealthy;
}

function concernsLine({ attempt, nextAttemptAt, pace }: ToLock): boolean {
  return attempt.number > 1 || (nextAttemptAt !== null && pace !== undefined);
}

/**
 * Locks the deliveries in the order of their ids, and reads with them, without its lock, since when their
 * subscription is failing. It costs no statement of its own.
 */
async function lockWithHealth(store: Store, tx: Tx, records: readonly ToLock[]): Promise<Row[]> {
  const query = tx
    .selectFrom("deliveries")
    .select(MOVED_COLUMNS)
    .select((eb) =>
      eb
        .selectFrom("subscriptions")
        .select("subscriptions.failing_since")
        .whereRef("subscriptions.id", "=", "deliveries.subscription_id")
        .as("failing_since"),
    )
    .where("id", "in", [...new Set(records.map(({ deliveryId }) => deliveryId))].sort())
    .orderBy("id");
  return await lockRows(store, query, "skip").execute();
}

/** Returns the failing subscriptions whose health a success changes, and which are not locked. */
function failingButUnlocked(
  records: readonly ToLock[],
  rows: ReadonlyMap<DeliveryId, Row>,
  locked: LockedSubscriptions,
): SubscriptionId[] {
  return records.flatMap(({ deliveryId, attempt }) => {
    const row = rows.get(deliveryId);
    if (attempt.outcome !== "accepted" || row === undefined) return [];
    const isMissed = row.failing_since !== null && row.test === 0 && !locked.has(row.subscription_id);
    return isMissed ? [row.subscription_id] : [];
  });
}
