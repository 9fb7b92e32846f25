import type { EventId, SubscriptionId } from "@posthaste/domain";
import type { Selectable } from "kysely";
import { byIndex } from "../database/by-index.ts";
import {
  alongIndex,
  type ListByAccount,
  listByAccount,
  type PageByAccount,
} from "../database/list-by-account.ts";
import { lockRows } from "../database/lock-rows.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import { type Tx, transact } from "../database/transact.ts";
import { lockEvents } from "../deliveries/lock-events.ts";
import { passOnKeys } from "../deliveries/move.ts";
import { type DeliveryRow, deliveryRow, insertUnlessTaken } from "../deliveries/new-deliveries.ts";
import { acceptedBeforeEnd, CLOCKS_DIFFER_MS, type KeyHolder, keyHolders } from "../deliveries/url-keys.ts";
import { type WalkedMatch, walkSubscriptions } from "../subscriptions/match-subscriptions.ts";

/** Lists events whose fan-out exceeded one ingest call's cap and is not finished, by account. */
export async function listFanouts(
  store: Store,
  page: PageByAccount<EventId>,
): Promise<ListByAccount<EventId>> {
  const fanouts = { table: "fanouts", index: "fanouts_by_account" } as const;
  const pieces = alongIndex(store, { ...fanouts, column: "event_id", least: "" as EventId });
  return await listByAccount(pieces, page);
}

/**
 * Continues a fan-out by one step, as of its ingest. A step is one transaction that also moves the cursor, so
 * a crash repeats and skips nothing. A delivery that a replay has already created stays as it is.
 *
 * @param options.deliveriesMax subscriptions examined in the step, which also bounds the deliveries created
 * @returns how many deliveries were created, and whether there is more to do. False if another process works
 *   on the fan-out
 */
export async function continueFanout(
  store: Store,
  { eventId, now, deliveriesMax }: { eventId: EventId; now: number; deliveriesMax: number },
): Promise<{ made: number; goesOn: boolean }> {
  return await transact(store, async (tx) => {
    const query = tx.selectFrom("fanouts").selectAll().where("event_id", "=", eventId);
    const fanout = await lockRows(store, query, "skip").executeTakeFirst();
    if (fanout === undefined) return { made: 0, goesOn: false };
    const isIntact = (await lockEvents(store, tx, [eventId])).has(eventId);
    const { matches, next } = isIntact
      ? await walkSubscriptions(
          store,
          tx,
          { accountId: fanout.account_id, eventType: fanout.event_type },
          {
            after: fanout.after_subscription_id,
            asOf: { row: fanout.as_of_row, at: fanout.as_of_at },
            limit: deliveriesMax,
          },
        )
      : { matches: [], next: undefined };
    const { rows, superseded } = await missingRows(store, tx, fanout, matches, now);
    await passOnKeys(tx, superseded);
    await insertUnlessTaken(store, tx, rows, fanout.has_delivery === 1 ? "fanned_out" : "ingested");
    const made = rows.length;
    if (next === undefined) await tx.deleteFrom("fanouts").where("event_id", "=", eventId).execute();
    else {
      await tx
        .updateTable("fanouts")
        .set({ after_subscription_id: next, has_delivery: made > 0 ? 1 : fanout.has_delivery })
        .where("event_id", "=", eventId)
        .execute();
    }
    return { made, goesOn: next !== undefined };
  });
}

type Fanout = Selectable<Tables["fanouts"]>;

/**
 * Returns the deliveries of these matches that do not exist yet: ingest, this fan-out or a replay may have
 * created some. A delivery goes wherever its subscription points when it is sent, and subscriptions get other
 * URLs during a fan-out. A match is therefore served by the holder of its URL's key, unless that does not
 * serve the URL any more (`url-keys.ts`), or if a subscription that shares its URL now has a delivery from
 * before it moved there. Of a subscription that has ended since, that counts if it was accepted.
 *
 * Each of them can be inserted. A key is free or held by one that is `superseded`, and no two matches of a
 * step have the same URL.
 */
async function missingRows(
  store: Store,
  tx: Tx,
  fanout: Fanout,
  matches: readonly WalkedMatch[],
  now: number,
): Promise<{ rows: DeliveryRow[]; superseded: KeyHolder[] }> {
  const rows: DeliveryRow[] = [];
  const superseded: KeyHolder[] = [];
  if (matches.length === 0) return { rows, superseded };
  const { account_id: accountId, event_id: eventId, event_type: eventType } = fanout;
  const served = await servedBeforeTheyMoved(store, tx, fanout, matches);
  const keys = matches.map((match) => match.targetHash);
  const holders = await keyHolders(store, tx, { eventIds: [eventId], keys });
  const holderOf = new Map(holders.map((holder) => [holder.key.toString("hex"), holder]));
  const of = { accountId, eventIds: [eventId], keys, since: fanout.as_of_at };
  const accepted = new Set((await acceptedBeforeEnd(store, tx, of)).map(({ key }) => key.toString("hex")));
  for (const match of matches) {
    const key = match.targetHash.toString("hex");
    const holder = holderOf.get(key);
    if (holder?.serves || accepted.has(key) || match.sharing.some(({ id }) => served.has(id))) continue;
    if (holder !== undefined) superseded.push(holder);
    rows.push(deliveryRow({ accountId, eventId, eventType, now }, match));
  }
  return { rows, superseded };
}

/**
 * Returns which subscriptions have a delivery of the event, of those that were changed since the ingest. The
 * others have their old URL, whose key tells.
 */
async function servedBeforeTheyMoved(
  store: Store,
  tx: Tx,
  fanout: Fanout,
  matches: readonly WalkedMatch[],
): Promise<Set<SubscriptionId>> {
  const since = fanout.as_of_at - CLOCKS_DIFFER_MS;
  const changed = matches.flatMap(({ sharing }) => sharing.filter(({ updatedAt }) => updatedAt >= since));
  if (changed.length === 0) return new Set();
  const rows = await tx
    .selectFrom(byIndex(store, "deliveries", "deliveries_by_event"))
    .select("subscription_id")
    .where("event_id", "=", fanout.event_id)
    .where(
      "subscription_id",
      "in",
      changed.map(({ id }) => id),
    )
    .execute();
  return new Set(rows.map((row) => row.subscription_id));
}
