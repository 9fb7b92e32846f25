import type { SubscriptionId } from "@posthaste/domain";
import type { Selectable } from "kysely";
import type { Tables } from "../database/tables.ts";
import type { Tx } from "../database/transact.ts";

/** What is claimed or under way, and how much of it are first attempts. */
export type InFlight = { readonly total: number; readonly firsts: number };

/**
 * What is claimed or under way of these subscriptions; of others nothing is. A lease that ran out does not count, or a
 * crashed worker would take room for ever.
 */
export async function inFlightOf(
  tx: Tx,
  ids: readonly SubscriptionId[],
  now: number,
): Promise<(id: SubscriptionId) => InFlight> {
  const rows = await tx
    .selectFrom("deliveries")
    .select((eb) => [
      "in_flight_of",
      eb.fn.countAll().as("total"),
      eb.fn.sum(eb.case().when("attempts", "=", 0).then(1).else(0).end()).as("firsts"),
    ])
    .where("in_flight_of", "in", ids)
    .where((eb) => eb.or([eb("lease_until", "is", null), eb("lease_until", ">=", now)]))
    .groupBy("in_flight_of")
    .execute();
  const found = new Map(
    rows.map((row) => [row.in_flight_of, { total: Number(row.total), firsts: Number(row.firsts) }]),
  );
  return (id) => found.get(id) ?? { total: 0, firsts: 0 };
}

/** How many of its places first attempts have while retries wait for one, too, and the other way round. */
export function halfOf(concurrency: number): number {
  return Math.ceil(concurrency / 2);
}

/** Whether a delivery has its place among those under way: since its claim, or since its turn came. */
export function hasPlace(
  row: Pick<Selectable<Tables["deliveries"]>, "in_flight_of" | "lease_until">,
  now: number,
): boolean {
  return row.in_flight_of !== null && (row.lease_until === null || row.lease_until >= now);
}
