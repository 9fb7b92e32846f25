import type { DeliveryId } from "@posthaste/domain";
import { sql } from "kysely";
import type { Store } from "../src/index.ts";
import { NOW } from "./fixture.ts";

/** `count` deliveries in one state, spread evenly over `subscriptions` whose ids start at `first`. */
export type Rows = {
  readonly count: number;
  readonly state: "pending" | "started" | "parked" | "succeeded" | "exhausted";
  readonly subscriptions: number;
  /** Default: 1. */
  readonly first?: number;
  /** Default: 1. */
  readonly account?: number;
};

const ID_PREFIX = "dlv_01hf7yat000000000000";

/** Returns the id of the n-th inserted delivery, counted from 0. */
export function nthDelivery(n: number): DeliveryId {
  return `${ID_PREFIX}${100_000 + n}` as DeliveryId;
}

const DIGITS = Array.from({ length: 10 }, (_, digit) => `select ${digit} as d`).join(" union all ");

/** Returns a query of the numbers from 0 below `count`: made of no more digits than they have. */
function numbersBelow(count: number): string {
  const places = Array.from(String(count - 1), (_, i) => `d${i}`);
  const n = places.map((place, i) => `${10 ** i} * ${place}.d`).join(" + ");
  return `select ${n} as n from ${places.map((place) => `(${DIGITS}) ${place}`).join(", ")}`;
}

/** Rows per statement: on a busy machine, a statement must not take longer than it may. */
const ROWS_AT_ONCE = 20_000;

/**
 * Inserts deliveries, 100,000 rows in a second or two: the database generates them itself.
 *
 * @param options.after how many were inserted before. Default: none
 */
export async function insertDeliveries(
  store: Store,
  kinds: readonly Rows[],
  { after = 0 }: { after?: number } = {},
): Promise<void> {
  let inserted = after;
  const atOnce = kinds.flatMap(({ count, ...kind }) =>
    Array.from({ length: Math.ceil(count / ROWS_AT_ONCE) }, (_, i) => ({
      ...kind,
      from: i * ROWS_AT_ONCE,
      count: Math.min(ROWS_AT_ONCE, count - i * ROWS_AT_ONCE),
    })),
  );
  for (const { from, count, state, subscriptions, first = 1, account = 1 } of atOnce) {
    const id = (prefix: string) => `concat('${prefix}${ID_PREFIX.slice(4)}', ${100_000 + inserted} + n.n)`;
    const isWaiting = state === "pending" || state === "started";
    await sql`
      insert into deliveries
        (id, account_id, event_id, event_type, subscription_id, target_key,
          state, attempts, next_attempt_at, reconcile_after, test, created_at)
      select ${sql.raw(id("dlv_"))}, ${sql.lit(account)}, ${sql.raw(id("evt_"))}, 'invoice_sent',
        ${sql.lit(first)} + (n.n + ${sql.lit(from)}) % ${sql.lit(subscriptions)}, ${Buffer.alloc(32, 1)},
        ${state}, 0, ${isWaiting ? NOW : null}, ${state === "started" ? NOW : null}, 0, ${NOW}
      from (${sql.raw(numbersBelow(count))}) as n where n.n < ${sql.lit(count)}
    `.execute(store.db);
    inserted += count;
  }
}

/** Inserts the subscriptions of the inserted deliveries, with only what a claim needs. */
export async function insertSubscriptions(store: Store): Promise<void> {
  await sql`
    insert into subscriptions
      (id, account_id, target_url, target_hash, state, acceptance, key_set, created_at, updated_at)
    select distinct subscription_id, account_id, 'https://receiver.example', ${Buffer.alloc(32, 1)},
      'active', 'OK_ONLY', concat('key set ', subscription_id), ${NOW}, ${NOW}
    from deliveries
  `.execute(store.db);
  await sql`
    insert into turns (subscription_id, account_id, line_us, gate_us, hold_ms)
    select id, account_id, 0, 0, 0 from subscriptions
  `.execute(store.db);
  await sql`
    insert into accounts (id, name, created_at) select distinct account_id, 'another', ${NOW} from subscriptions
    where account_id not in (select id from accounts)
  `.execute(store.db);
}

/** Refreshes the planner's statistics, as an operator or the database itself may do at any time. */
export async function gatherStatistics(store: Store): Promise<void> {
  const statement = store.seam.name === "mysql" ? "analyze table deliveries, delivery_changes" : "analyze";
  await sql.raw(statement).execute(store.db);
}
