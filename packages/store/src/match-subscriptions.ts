import {
  type AccountId,
  ALL_EVENT_TYPES,
  isOperational,
  type SubscriptionId,
  type SubscriptionState,
} from "@posthaste/domain";
import type { Tx } from "./transact.ts";

/** A subscription that is to get an event: the one chosen for its URL. */
export type Match = {
  readonly subscriptionId: SubscriptionId;
  /** Its deliveries wait: it is paused or disabled, or those before them are being drained. */
  readonly parks: boolean;
  readonly targetHash: Buffer;
};

/** Sorts before every hash. */
export const FIRST_HASH: Buffer = Buffer.alloc(0);

/**
 * Finds who is to get an event, along the hashes of their URLs. One event reaches one URL of an account once: of
 * several subscriptions with the same URL, an active one comes before a paused or disabled one, then the oldest.
 *
 * @param query.asOf leaves out what was subscribed later, and keeps what was unsubscribed later (but not what ended)
 * @param query.limit rows read at most
 * @returns the matches, and whether there may be more after the last one
 */
export async function matchSubscriptions(
  tx: Tx,
  query: {
    accountId: AccountId;
    eventType: string;
    after: Buffer;
    asOf: { row: number; at: number } | "now";
    limit: number;
  },
): Promise<{ matches: Match[]; more: boolean }> {
  const { asOf } = query;
  let select = tx
    .selectFrom("subscription_event_types as t")
    .innerJoin("subscriptions as s", "s.id", "t.subscription_id")
    .select(["s.id", "s.state", "s.draining", "s.target_hash"])
    .where("t.account_id", "=", query.accountId)
    .where("t.event_type", "in", wantedAs(query.eventType))
    .where("s.state", "!=", "ended")
    .where("s.target_hash", ">", query.after)
    .orderBy("s.target_hash")
    .orderBy((eb) => eb.case().when("s.state", "=", "active").then(0).else(1).end())
    .orderBy("s.id")
    .limit(query.limit);
  select =
    asOf === "now"
      ? select.where("t.removed_at", "is", null)
      : select
          .where("t.id", "<=", asOf.row)
          .where((eb) => eb.or([eb("t.removed_at", "is", null), eb("t.removed_at", ">", asOf.at)]));
  const rows = await select.execute();

  const matches: Match[] = [];
  for (const row of rows) {
    if (matches.at(-1)?.targetHash.equals(row.target_hash)) continue;
    matches.push({
      subscriptionId: row.id as SubscriptionId,
      parks: parks(row),
      targetHash: row.target_hash,
    });
  }
  return { matches, more: rows.length === query.limit };
}

/** Whether what is made for this subscription now has to wait for it. */
export function parks(row: { readonly state: SubscriptionState; readonly draining: number }): boolean {
  return row.state !== "active" || row.draining === 1;
}

function wantedAs(eventType: string): string[] {
  return isOperational(eventType) ? [eventType] : [eventType, ALL_EVENT_TYPES];
}
