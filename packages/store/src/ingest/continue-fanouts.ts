import { type EventId, MINUTE_MS, type SubscriptionId } from "@posthaste/domain";
import type { Selectable } from "kysely";
import { byIndex } from "../database/by-index.ts";
import { sha256 } from "../database/ids.ts";
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
import { type DeliveryRow, deliveryRow, insertUnlessTaken } from "../deliveries/new-deliveries.ts";
import { type WalkedMatch, walkSubscriptions } from "../subscriptions/match-subscriptions.ts";

/** How far the clocks of two processes may differ. */
const CLOCKS_DIFFER_MS = MINUTE_MS;

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
    const rows = await missingRows(store, tx, fanout, matches, now);
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
 * URLs during a fan-out. A match is therefore served if its URL was (`target_key`), or if a subscription that
 * shares its URL now has a delivery from before it moved there. It is not served by a delivery to its URL
 * whose subscription has moved away.
 */
async function missingRows(
  store: Store,
  tx: Tx,
  fanout: Fanout,
  matches: readonly WalkedMatch[],
  now: number,
): Promise<DeliveryRow[]> {
  if (matches.length === 0) return [];
  const origin = {
    accountId: fanout.account_id,
    eventId: fanout.event_id,
    eventType: fanout.event_type,
    now,
  };
  const served = await servedBeforeTheyMoved(store, tx, fanout, matches);
  const taken = await takenKeys(tx, fanout, matches);
  return matches.flatMap((match) => {
    if (match.sharing.some(({ id }) => served.has(id))) return [];
    const isLeft = taken.get(match.targetHash.toString("hex"));
    if (isLeft === undefined) return [deliveryRow(origin, match)];
    if (!isLeft) return [];
    const targetHash = sha256(match.targetHash, String(match.subscriptionId));
    return [deliveryRow(origin, { ...match, targetHash })];
  });
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

/**
 * Returns which of the matches' URLs have a delivery of the event, and for each whether its subscription now
 * has another URL.
 */
async function takenKeys(
  tx: Tx,
  fanout: Fanout,
  matches: readonly WalkedMatch[],
): Promise<Map<string, boolean>> {
  const rows = await tx
    .selectFrom("deliveries as d")
    .innerJoin("subscriptions as s", "s.id", "d.subscription_id")
    .select(["d.target_key", "s.target_hash"])
    .where("d.event_id", "=", fanout.event_id)
    .where(
      "d.target_key",
      "in",
      matches.map((match) => match.targetHash),
    )
    .execute();
  return new Map(
    rows.map((row) => [row.target_key.toString("hex"), !row.target_hash.equals(row.target_key)]),
  );
}
