import {
  type AccountId,
  EMPTY_LINE,
  type Line,
  type Pace,
  type Rate,
  type SubscriptionId,
} from "@posthaste/domain";
import { type Selectable, sql } from "kysely";
import { lockRows } from "../database/lock-rows.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import type { Tx } from "../database/transact.ts";

/** What an attempt is taken to take while none was measured. */
export const HOLD_DEFAULT_MS = 1_000;

/** Where a subscription's attempts stand in line; `line` admits, `gate` sends. */
export type Turns = {
  readonly accountId: AccountId;
  readonly line: Line;
  readonly gate: Line;
  readonly holdMs: number;
};

/** The columns that {@link ownPaceOf} reads. */
export const PACE_COLUMNS = ["rate_per_1000s", "rate_burst", "concurrency"] as const;

/** What its owner chose. */
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

/** Reads a subscription's line and keeps other workers from it until the transaction is over. */
export async function lockTurns(store: Store, tx: Tx, id: SubscriptionId): Promise<Turns> {
  const turns = (await lockAllTurns(store, tx, [id])).get(id);
  if (turns === undefined) throw new Error(`there is no line of subscription ${id}`);
  return turns;
}

/**
 * The same of several, which are locked from the least id on, so that two who lock many never wait for each other.
 *
 * @returns in the order that was asked for
 */
export async function lockAllTurns(
  store: Store,
  tx: Tx,
  ids: readonly SubscriptionId[],
): Promise<Map<SubscriptionId, Turns>> {
  const query = tx
    .selectFrom("turns")
    .selectAll()
    .where("subscription_id", "in", ids)
    .orderBy("subscription_id");
  const rows = await lockRows(store, query).execute();
  const found = new Map<SubscriptionId, Turns>(
    rows.map((row) => [
      row.subscription_id,
      { accountId: row.account_id, line: row.line_us, gate: row.gate_us, holdMs: row.hold_ms },
    ]),
  );
  return new Map(
    ids.flatMap((id) => {
      const turns = found.get(id);
      return turns === undefined ? [] : [[id, turns]];
    }),
  );
}

/** Gives a new subscription an empty line. */
export async function insertTurns(tx: Tx, accountId: AccountId, id: SubscriptionId): Promise<void> {
  const line = { line_us: EMPTY_LINE, gate_us: EMPTY_LINE, hold_ms: 0 };
  await tx
    .insertInto("turns")
    .values({ subscription_id: id, account_id: accountId, ...line })
    .execute();
}

export async function writeTurns(
  tx: Tx,
  id: SubscriptionId,
  { line, gate }: Pick<Turns, "line" | "gate">,
): Promise<void> {
  await tx
    .updateTable("turns")
    .set({ line_us: line, gate_us: gate })
    .where("subscription_id", "=", id)
    .execute();
}

/** Has nobody wait by a rate that is no longer the subscription's; who was told a time already comes then. */
export async function clearLine(tx: Tx, id: SubscriptionId): Promise<void> {
  await writeTurns(tx, id, { line: EMPTY_LINE, gate: EMPTY_LINE });
  await tx.deleteFrom("turn_slots").where("subscription_id", "=", id).execute();
}

/** How long retries take of late, so that those in line are told a time that is near the truth. */
export async function noteHold(tx: Tx, id: SubscriptionId, durationMs: number): Promise<void> {
  await tx
    .updateTable("turns")
    .set({ hold_ms: sql<number>`round((hold_ms * 3 + ${durationMs}) / 4)` })
    .where("subscription_id", "=", id)
    .execute();
}
