import type { DeliveryId, SubscriptionId } from "@posthaste/domain";
import type { ExpressionBuilder, Selectable } from "kysely";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import type { Tx } from "../database/transact.ts";
import { RECONCILE_GRACE_MS } from "../deliveries/transitions.ts";

/** The number of deliveries claimed or in flight. */
export type InFlight = {
  readonly total: number;
  readonly firstAttempts: number;
  /** First attempts of replays; see `in-order.ts`. */
  readonly inOrder: number;
};

const NONE: InFlight = { total: 0, firstAttempts: 0, inOrder: 0 };

/**
 * Counts the deliveries of these subscriptions that are claimed or in flight. An expired lease does not
 * count, or a crashed worker would occupy a place for ever.
 *
 * @param startedAfter leaves out deliveries that were started before and whose first attempt was not made.
 *   Default: they count
 * @returns a function of a subscription's id; an unknown id has none in flight
 */
export async function inFlightOf(
  tx: Pick<Tx, "selectFrom">,
  ids: readonly SubscriptionId[],
  now: number,
  startedAfter?: number,
): Promise<(id: SubscriptionId) => InFlight> {
  let query = tx
    .selectFrom("deliveries")
    .select((eb) => [
      "in_flight_of",
      eb.fn.countAll().as("total"),
      eb.fn.sum(eb.case().when("attempts", "=", 0).then(1).else(0).end()).as("firsts"),
      eb.fn.sum(eb.case().when("attempts", "=", 0).then(eb.ref("in_order")).else(0).end()).as("in_order"),
    ])
    .where("in_flight_of", "in", ids)
    .where((eb) => eb.or([eb("lease_until", "is", null), eb("lease_until", ">=", now)]))
    .groupBy("in_flight_of");
  if (startedAfter !== undefined) query = query.where((eb) => isExpected(eb, startedAfter));
  const rows = await query.execute();
  const found = new Map(
    rows.map((row) => [
      row.in_flight_of,
      { total: Number(row.total), firstAttempts: Number(row.firsts), inOrder: Number(row.in_order) },
    ]),
  );
  return (id) => found.get(id) ?? NONE;
}

/**
 * Returns which of these deliveries are claimed, or have an attempt under way. It leaves out those whose
 * first attempt was not made for so long after their start that nobody seems to make it.
 */
export async function listInFlight(
  { db }: Store,
  ids: readonly DeliveryId[],
  now: number,
): Promise<DeliveryId[]> {
  const rows = await db
    .selectFrom("deliveries")
    .select("id")
    .where("id", "in", ids)
    .where("in_flight_of", "is not", null)
    .where((eb) => isExpected(eb, now - RECONCILE_GRACE_MS))
    .execute();
  return rows.map(({ id }) => id);
}

/** A start ends the lease, and a retry has one until its attempt's timeout. */
function isExpected(eb: ExpressionBuilder<Tables, "deliveries">, startedAfter: number) {
  return eb.or([eb("lease_until", "is not", null), eb("started_at", ">", startedAfter)]);
}

/**
 * Returns how many of a subscription's places first attempts may take while retries wait, and retries while
 * first attempts wait.
 */
export function halfOf(concurrency: number): number {
  return Math.ceil(concurrency / 2);
}

/** Returns whether a delivery occupies a place: since its claim, or since its turn came. */
export function hasPlace(
  row: Pick<Selectable<Tables["deliveries"]>, "in_flight_of" | "lease_until">,
  now: number,
): boolean {
  return row.in_flight_of !== null && (row.lease_until === null || row.lease_until >= now);
}
