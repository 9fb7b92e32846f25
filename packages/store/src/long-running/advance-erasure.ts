import { type ErasureId, type EventId, matchesKey } from "@posthaste/domain";
import type { Selectable } from "kysely";
import { byIndex } from "../database/by-index.ts";
import { sha256 } from "../database/ids.ts";
import { lockRows } from "../database/lock-rows.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import { type Tx, transact } from "../database/transact.ts";
import { lockEvents } from "../deliveries/lock-events.ts";
import { endIn } from "../lifecycle/end-subscription.ts";
import { liveSubscriptionIds } from "../subscriptions/live-subscriptions.ts";
import { deleteAccess, deleteRemainder } from "./delete-account.ts";
import { type Erasure, erasureContext, erasureOf } from "./erasures.ts";
import { deleteEventsAndDeliveries } from "./retain.ts";

type Row = Selectable<Tables["erasures"]>;

/** Maximum events searched in one transaction: their payloads, of up to 1 MiB each, are in memory. */
const MATCHED_AT_ONCE = 50;
/** Maximum events deleted in one transaction. */
const EVENTS_AT_ONCE = 100;
/** Maximum rows deleted in one transaction once the events are gone: some ten milliseconds. */
const ROWS_AT_ONCE = 500;
/** Maximum subscriptions ended in one transaction, with up to 64 event types each. */
const SUBSCRIPTIONS_AT_ONCE = 10;

/**
 * Takes one step of an erasure and counts it in the same transaction, so a crash repeats and skips nothing.
 *
 * @returns the erasure; undefined: not found
 */
export async function advanceErasure(
  store: Store,
  { id, now }: { id: ErasureId; now: number },
): Promise<Erasure | undefined> {
  return await transact(store, async (tx) => {
    const query = tx.selectFrom("erasures").selectAll().where("id", "=", id);
    const row = await lockRows(store, query).executeTakeFirst();
    if (row === undefined || row.state === "completed") return row && erasureOf(row);
    const changed =
      row.pointer === null
        ? await eraseAccount(store, tx, row, now)
        : await eraseMatching(store, tx, row, now);
    await tx
      .updateTable("erasures")
      .set({ ...changed, workflow_at: now })
      .where("id", "=", id)
      .execute();
    return erasureOf({ ...row, ...changed });
  });
}

async function eraseMatching(store: Store, tx: Tx, row: Row, now: number): Promise<Partial<Row>> {
  const events = await eventsOf(store, tx, row)
    .select(["id", "data"])
    .where("id", ">", row.cursor_id as EventId)
    .limit(MATCHED_AT_ONCE)
    .execute();
  const sealed = row.sealed_value;
  if (sealed === null) throw new Error(`erasure ${row.id} has no value to look for`);
  const key = { pointer: row.pointer ?? "", value: store.sealer.open(sealed, erasureContext(row.id)) };
  const ids = events.filter((event) => matchesKey(event.data.toString("utf8"), key)).map((event) => event.id);
  const { isAll, ...erased } = await erase(store, tx, row, ids, events.length);
  if (!isAll) return erased;
  // The receipt keeps only a hash of the value.
  if (events.length < MATCHED_AT_ONCE) return { ...erased, ...completed(now), sealed_value: null };
  return { ...erased, cursor_id: events.at(-1)?.id ?? row.cursor_id };
}

/**
 * Erases an account, a little in each step: deletes what gives access to it, ends its subscriptions, so that
 * nothing more is sent, and deletes its events and deliveries, and then everything else that belongs to it.
 * Each step begins with the first of these again, and so finds what was accepted at the last moment.
 */
async function eraseAccount(store: Store, tx: Tx, row: Row, now: number): Promise<Partial<Row>> {
  const accountId = row.account_id;
  const some = { owner: accountId, limit: ROWS_AT_ONCE };
  if ((await deleteAccess(store, tx, some)) > 0) return {};
  const live = await liveSubscriptionIds(store, tx, accountId).limit(SUBSCRIPTIONS_AT_ONCE).execute();
  if (live.length > 0) {
    // In the order of their ids, as every transaction locks them.
    const ids = live.map(({ id }) => id).sort((a, b) => a - b);
    await endIn(tx, ids, "its account is erased", now);
    return {};
  }
  const events = await eventsOf(store, tx, row).select("id").limit(EVENTS_AT_ONCE).execute();
  const ids = events.map((event) => event.id);
  if (ids.length > 0) {
    const { isAll: _, ...erased } = await erase(store, tx, row, ids, ids.length);
    return erased;
  }
  if ((await deleteRemainder(store, tx, some)) >= ROWS_AT_ONCE) return {};
  // The account's row stays, so that its number is never assigned again and the receipt refers to an existing
  // account.
  await tx.updateTable("accounts").set({ name: "erased" }).where("id", "=", accountId).execute();
  return completed(now);
}

/** Returns a query for the events of the erasure's account, by their ids. */
function eventsOf(store: Store, tx: Tx, row: Row) {
  return tx
    .selectFrom(byIndex(store, "events", "events_by_account"))
    .where("account_id", "=", row.account_id)
    .orderBy("id");
}

async function erase(
  store: Store,
  tx: Tx,
  row: Row,
  ids: readonly EventId[],
  examined: number,
): Promise<Partial<Row> & { isAll: boolean }> {
  // First, so that no fan-out continues meanwhile.
  if (ids.length > 0) await tx.deleteFrom("fanouts").where("event_id", "in", ids).execute();
  // A resend or a recovery may be creating a delivery of one of them.
  await lockEvents(store, tx, ids);
  const { isAll, deliveries, attempts } = await deleteEventsAndDeliveries(store, tx, ids);
  const counted = { deliveries: row.deliveries + deliveries, attempts: row.attempts + attempts };
  if (!isAll) return { isAll, ...counted };
  return {
    isAll,
    ...counted,
    examined: row.examined + examined,
    events: row.events + ids.length,
    digest: ids.length === 0 ? row.digest : sha256(row.digest, ids.join("\n")),
  };
}

function completed(now: number) {
  return { state: "completed" as const, ended_at: now };
}
