import {
  type AccountId,
  EMPTY_LINE,
  type Line,
  type Pace,
  type Rate,
  type SubscriptionId,
} from "@posthaste/domain";
import { type Selectable, sql } from "kysely";
import { deleteFirst } from "../database/delete-first.ts";
import { lockRow, lockRows } from "../database/lock-rows.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import { type Tx, transact } from "../database/transact.ts";
import { updateRows } from "../database/update-rows.ts";

/** Assumed duration of an attempt until one has been measured. */
const HOLD_DEFAULT_MS = 1_000;
/** Slots deleted in one transaction. A subscription may have a slot for each ten seconds of two days. */
const SLOTS_AT_ONCE = 500;

/** The position of a subscription's attempts: a line admits each kind, and one gate sends both. */
export type Turns = {
  readonly accountId: AccountId;
  /** Of first attempts, which are admitted when they are claimed. */
  readonly line: Line;
  readonly retryLine: Line;
  readonly gate: Line;
  readonly holdMs: number;
};

/** The columns that {@link ownPaceOf} reads. */
export const PACE_COLUMNS = ["rate_per_1000s", "rate_burst", "concurrency"] as const;

/** Returns the pace that the subscription's owner chose. */
export function ownPaceOf(
  row: Pick<Selectable<Tables["subscriptions"]>, (typeof PACE_COLUMNS)[number]>,
  concurrencyDefault: number,
): Pace {
  return { rate: rateOf(row), concurrency: row.concurrency ?? concurrencyDefault };
}

export function rateOf(
  row: Pick<Selectable<Tables["subscriptions"]>, "rate_per_1000s" | "rate_burst">,
): Rate | null {
  if (row.rate_per_1000s === null) return null;
  return { perSecond: row.rate_per_1000s / 1_000, burst: row.rate_burst ?? 1 };
}

/** Returns how many attempts per second the subscription achieves, by the recent duration of its retries. */
export function achievedPerSecond({ concurrency }: Pace, { holdMs }: Turns): number {
  return (concurrency * 1_000) / (holdMs || HOLD_DEFAULT_MS);
}

/** Reads a subscription's line and locks it until the end of the transaction; see {@link lockRow}. */
export async function lockTurns(store: Store, tx: Tx, id: SubscriptionId): Promise<Turns> {
  const query = tx.selectFrom("turns").selectAll().where("subscription_id", "=", id);
  const row = await lockRow(store, query, `the line of subscription ${id}`);
  if (row === undefined) throw new Error(`subscription ${id} has no line`);
  return turnsOf(row);
}

function turnsOf(row: Selectable<Tables["turns"]>): Turns {
  return {
    accountId: row.account_id,
    line: row.line_us,
    retryLine: row.retry_line_us,
    gate: row.gate_us,
    holdMs: row.hold_ms,
  };
}

/**
 * Reads and locks the lines of several subscriptions, in ascending order of their ids, so that two
 * transactions that lock many never wait for each other.
 *
 * @param options.ifLocked see {@link lockRows}
 * @returns the lines in the order of `ids`, without those of subscriptions that were deleted: a line exists
 *   as long as its subscription, because one transaction creates both and one deletes both
 */
export async function lockAllTurns(
  store: Store,
  tx: Tx,
  ids: readonly SubscriptionId[],
  { ifLocked = "wait" }: { ifLocked?: "wait" | "skip" } = {},
): Promise<Map<SubscriptionId, Turns>> {
  const query = tx
    .selectFrom("turns")
    .selectAll()
    .where("subscription_id", "in", ids)
    .orderBy("subscription_id");
  const rows = await lockRows(store, query, ifLocked).execute();
  const found = new Map(rows.map((row) => [row.subscription_id, turnsOf(row)]));
  return new Map(
    ids.flatMap((id) => {
      const turns = found.get(id);
      return turns === undefined ? [] : [[id, turns]];
    }),
  );
}

/** Creates the empty lines of a new subscription. */
export async function insertTurns(tx: Tx, accountId: AccountId, id: SubscriptionId): Promise<void> {
  const lines = { line_us: EMPTY_LINE, retry_line_us: EMPTY_LINE, gate_us: EMPTY_LINE, hold_ms: 0 };
  await tx
    .insertInto("turns")
    .values({ subscription_id: id, account_id: accountId, ...lines })
    .execute();
}

export async function writeTurns(
  tx: Tx,
  id: SubscriptionId,
  { line, retryLine, gate }: Pick<Turns, "line" | "retryLine" | "gate">,
): Promise<void> {
  await tx
    .updateTable("turns")
    .set({ line_us: line, retry_line_us: retryLine, gate_us: gate })
    .where("subscription_id", "=", id)
    .execute();
}

/**
 * Empties the lines, so that no attempt waits by a rate that no longer applies. Attempts that already have a
 * time keep it. The caller then empties the slots; see {@link clearSlots}.
 */
export async function clearLine(tx: Tx, id: SubscriptionId): Promise<void> {
  await writeTurns(tx, id, { line: EMPTY_LINE, retryLine: EMPTY_LINE, gate: EMPTY_LINE });
}

/**
 * Empties the slots of retries, in short transactions. If a crash cuts this off, the slots that are left pass
 * with time.
 */
export async function clearSlots(store: Store, id: SubscriptionId): Promise<void> {
  while (
    (await transact(store, async (tx) => {
      await lockAllTurns(store, tx, [id]);
      return await deleteTurnSlots(store, tx, { id, limit: SLOTS_AT_ONCE });
    })) === SLOTS_AT_ONCE
  );
}

/**
 * Deletes the first slots of a subscription, at most `limit`. The transaction must hold its line: whoever
 * reserves a slot holds it too, and waits for no slot.
 *
 * @returns how many were deleted
 */
export async function deleteTurnSlots(
  store: Store,
  tx: Tx,
  { id, limit }: { id: SubscriptionId; limit: number },
): Promise<number> {
  const where = sql`subscription_id = ${id}`;
  return await deleteFirst(store, tx, { table: "turn_slots", where, orderBy: "slot", limit });
}

/**
 * Updates the moving averages of how long retries take. They let retries in line get a time that is close to
 * reality.
 *
 * @param lines the locked lines of their subscriptions, without those of subscriptions that do not exist
 */
export async function noteHolds(
  tx: Tx,
  retries: readonly { readonly subscriptionId: SubscriptionId; readonly durationMs: number }[],
  lines: ReadonlyMap<SubscriptionId, Turns>,
): Promise<void> {
  const holds = new Map<SubscriptionId, number>();
  for (const { subscriptionId, durationMs } of retries) {
    const holdMs = holds.get(subscriptionId) ?? lines.get(subscriptionId)?.holdMs;
    if (holdMs !== undefined) holds.set(subscriptionId, Math.round((holdMs * 3 + durationMs) / 4));
  }
  const rows = [...holds].map(([key, hold_ms]) => ({ key, values: { hold_ms } }));
  await updateRows(tx, "turns", "subscription_id", rows);
}
