import { type AccountId, type ErasureId, type EventId, matchesKey } from "@posthaste/domain";
import type { Selectable } from "kysely";
import { byIndex } from "../database/by-index.ts";
import { sha256 } from "../database/ids.ts";
import { lockRows } from "../database/lock-rows.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import { type Tx, transact } from "../database/transact.ts";
import { endIn } from "../lifecycle/end-subscription.ts";
import { type Erasure, erasureContext, erasureOf } from "./erasures.ts";
import { deleteEventsAndDeliveries } from "./retain.ts";

type Row = Selectable<Tables["erasures"]>;

/** Maximum events examined in one transaction; their payloads are read. */
const EVENTS_AT_ONCE = 100;
const SUBSCRIPTIONS_AT_ONCE = 100;

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
  const events = await eventsAfter(store, tx, row);
  const sealed = row.sealed_value;
  if (sealed === null) throw new Error(`erasure ${row.id} has no value to look for`);
  const key = { pointer: row.pointer ?? "", value: store.sealer.open(sealed, erasureContext(row.id)) };
  const ids = events.filter((event) => matchesKey(event.data.toString("utf8"), key)).map((event) => event.id);
  const { isAll, ...erased } = await erase(tx, row, ids, events.length);
  if (!isAll) return erased;
  // The receipt keeps only a hash of the value.
  if (events.length < EVENTS_AT_ONCE) return { ...erased, ...completed(now), sealed_value: null };
  return { ...erased, cursor_id: events.at(-1)?.id ?? row.cursor_id };
}

/**
 * Erases an account: ends its subscriptions first, so that nothing more is sent, then deletes its events and
 * deliveries, and finally everything else that belongs to it.
 */
async function eraseAccount(store: Store, tx: Tx, row: Row, now: number): Promise<Partial<Row>> {
  const live = await tx
    .selectFrom("subscriptions")
    .select("id")
    .where("account_id", "=", row.account_id)
    .where("state", "!=", "ended")
    .limit(SUBSCRIPTIONS_AT_ONCE)
    .execute();
  for (const { id } of live) await endIn(tx, id, "its account is erased", now);
  if (live.length > 0) return {};
  // From the beginning each time: earlier events are already deleted, and one that was accepted at the last
  // moment is found.
  const events = await eventsAfter(store, tx, { ...row, cursor_id: "" });
  const ids = events.map((event) => event.id);
  if (ids.length > 0) {
    const { isAll: _, ...erased } = await erase(tx, row, ids, ids.length);
    return erased;
  }
  await eraseRemainder(tx, row.account_id);
  return completed(now);
}

async function eraseRemainder(tx: Tx, accountId: AccountId): Promise<void> {
  const ofSubscriptions = tx.selectFrom("subscriptions").select("id").where("account_id", "=", accountId);
  for (const table of ["turns", "turn_slots", "signing_keys"] as const) {
    await tx.deleteFrom(table).where("subscription_id", "in", ofSubscriptions).execute();
  }
  const ofTypes = tx.selectFrom("event_types").select("id").where("account_id", "=", accountId);
  await tx.deleteFrom("event_type_versions").where("event_type_id", "in", ofTypes).execute();
  for (const table of [
    "event_types",
    "subscription_event_types",
    "subscriptions",
    "tokens",
    "portal_links",
    "statistics",
    "idempotency_keys",
    "fanouts",
    "recoveries",
    "delivery_changes",
  ] as const) {
    await tx.deleteFrom(table).where("account_id", "=", accountId).execute();
  }
  // The account's row stays, so that its number is never assigned again and the receipt refers to an existing
  // account.
  await tx.updateTable("accounts").set({ name: "erased" }).where("id", "=", accountId).execute();
}

async function eventsAfter(store: Store, tx: Tx, row: Row): Promise<{ id: EventId; data: Buffer }[]> {
  return await tx
    .selectFrom(byIndex(store, "events", "events_by_account"))
    .select(["id", "data"])
    .where("account_id", "=", row.account_id)
    .where("id", ">", row.cursor_id as EventId)
    .orderBy("id")
    .limit(EVENTS_AT_ONCE)
    .execute();
}

async function erase(
  tx: Tx,
  row: Row,
  ids: readonly EventId[],
  examined: number,
): Promise<Partial<Row> & { isAll: boolean }> {
  // First, so that no fan-out continues meanwhile.
  if (ids.length > 0) await tx.deleteFrom("fanouts").where("event_id", "in", ids).execute();
  const { isAll, deliveries, attempts } = await deleteEventsAndDeliveries(tx, ids);
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
