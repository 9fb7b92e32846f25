import { measureReads as measure } from "@posthaste/testkit";
import type { Store } from "../src/index.ts";

export type Reads = {
  /** Rows and index entries read. Always 0 on SQLite, which does not count them. */
  readonly rows: number;
  /** Plan steps in which SQLite searches deliveries or their changes without a narrow key. Empty on MySQL. */
  readonly scans: readonly string[];
};

/**
 * Measures what the database reads during a call. MySQL counts the rows that each connection reads; SQLite
 * explains how it plans to find the rows of a statement.
 *
 * @param store must have exactly one connection
 */
export async function measureReads(store: Store, call: () => Promise<unknown>): Promise<Reads> {
  const { rows, plans } = await measure(store, call);
  return { rows, scans: plans.filter((plan) => WIDE.test(plan) && !NARROW.test(plan)) };
}

const WIDE = /^(SCAN|SEARCH) (deliveries|delivery_changes)\b/;

/** Conditions of an index search that lead to few rows, or to the first row of the wanted range. */
const NARROW = new RegExp(
  [
    "\\b(row|event_|delivery_)?id[=<>]",
    "subscription_id[=>]",
    "in_flight_of=",
    "account_id=\\? AND state=",
    "state=\\? AND account_id>",
    "reconcile_after<",
    "batch[=>]",
  ].join("|"),
);
