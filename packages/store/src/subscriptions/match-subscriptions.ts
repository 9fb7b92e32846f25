import {
  type AccountId,
  ALL_EVENT_TYPES,
  isOperational,
  type SubscriptionId,
  type SubscriptionState,
} from "@posthaste/domain";
import type { Tx } from "../database/transact.ts";

/** A subscription that is to get an event: the one chosen for its URL. */
export type Match = {
  readonly subscriptionId: SubscriptionId;
  /** Its deliveries wait: it is paused or disabled, or those before them are being drained. */
  readonly parks: boolean;
  readonly targetHash: Buffer;
};

/** Whose event of which type is to be matched. */
export type Matched = { readonly accountId: AccountId; readonly eventType: string };

/** Sorts before every hash. */
export const FIRST_HASH: Buffer = Buffer.alloc(0);

/** Subscriptions looked at in one step of a walk: each step is a statement of a few milliseconds. */
const LOOKED_AT_ONCE = 500;

/**
 * Finds who is to get an event now, in the order of their URLs' hashes. One event reaches one URL of an account once: of
 * several subscriptions with the same URL, an active one comes before a paused or disabled one, then the oldest.
 *
 * Up to `limit` matches an index gives exactly those that want the event, and they are sorted here. Where there are more,
 * sorting all of them to have the first would take as long as there are many: so the account's subscriptions are walked in the
 * order of another index, and each is asked whether it wants the event.
 *
 * @returns all matches, or at least `limit` of the first ones
 */
export async function matchSubscriptions(tx: Tx, of: Matched, limit: number): Promise<Match[]> {
  const rows = await tx
    .selectFrom("subscription_event_types as t")
    .innerJoin("subscriptions as s", "s.id", "t.subscription_id")
    .select(["s.id", "s.state", "s.draining", "s.target_hash"])
    .where("t.account_id", "=", of.accountId)
    .where("t.event_type", "in", wantedAs(of.eventType))
    .where("t.removed_at", "is", null)
    .where("s.state", "!=", "ended")
    .limit(limit)
    .execute();
  if (rows.length < limit) return matchesIn(rows);
  const found: Match[] = [];
  for (let after: Buffer | undefined = FIRST_HASH; after !== undefined && found.length < limit; ) {
    const step: Walked = await walkSubscriptions(tx, of, { after, asOf: "now" });
    found.push(...step.matches);
    after = step.next;
  }
  return found;
}

type Walked = {
  readonly matches: Match[];
  /** Where to go on; undefined: there are no more. */
  readonly next: Buffer | undefined;
};

/**
 * One step along an account's subscriptions, in the order of their URLs' hashes.
 *
 * @param from.asOf leaves out what was subscribed later, and keeps what was unsubscribed later (but not what ended)
 * @param from.limit subscriptions looked at; default: {@link LOOKED_AT_ONCE}
 */
export async function walkSubscriptions(
  tx: Tx,
  { accountId, eventType }: Matched,
  from: { after: Buffer; asOf: { row: number; at: number } | "now"; limit?: number },
): Promise<Walked> {
  const { after, asOf, limit = LOOKED_AT_ONCE } = from;
  const subscriptions = tx
    .selectFrom("subscriptions")
    .select(["id", "state", "draining", "target_hash"])
    .where("account_id", "=", accountId);
  const page = await subscriptions
    .where("target_hash", ">", after)
    .orderBy("target_hash")
    .limit(limit)
    .execute();
  const last = page.at(-1);
  if (last === undefined) return { matches: [], next: undefined };
  // All of the last URL's belong to this step, for one of them is chosen.
  const ofLast = await subscriptions.where("target_hash", "=", last.target_hash).execute();
  const looked = [...page.filter((row) => !row.target_hash.equals(last.target_hash)), ...ofLast];

  const query = tx
    .selectFrom("subscription_event_types")
    .select("subscription_id")
    .where(
      "subscription_id",
      "in",
      looked.map((row) => row.id),
    )
    .where("event_type", "in", wantedAs(eventType));
  const wanting = await (asOf === "now"
    ? query.where("removed_at", "is", null)
    : query
        .where("id", "<=", asOf.row)
        .where((eb) => eb.or([eb("removed_at", "is", null), eb("removed_at", ">", asOf.at)]))
  ).execute();
  const ids = new Set(wanting.map((row) => row.subscription_id));
  return {
    matches: matchesIn(looked.filter((row) => row.state !== "ended" && ids.has(row.id))),
    next: page.length < limit ? undefined : last.target_hash,
  };
}

type Row = { id: SubscriptionId; state: SubscriptionState; draining: number; target_hash: Buffer };

/** One for each URL, in order. */
function matchesIn(rows: readonly Row[]): Match[] {
  const rank = (row: Row) => (row.state === "active" ? 0 : 1);
  const sorted = [...rows].sort(
    (a, b) => a.target_hash.compare(b.target_hash) || rank(a) - rank(b) || a.id - b.id,
  );
  const matches: Match[] = [];
  for (const row of sorted) {
    if (matches.at(-1)?.targetHash.equals(row.target_hash)) continue;
    matches.push({
      subscriptionId: row.id,
      parks: parks(row),
      targetHash: row.target_hash,
    });
  }
  return matches;
}

/** Whether what is made for this subscription now has to wait for it. */
export function parks(row: { readonly state: SubscriptionState; readonly draining: number }): boolean {
  return row.state !== "active" || row.draining === 1;
}

function wantedAs(eventType: string): string[] {
  return isOperational(eventType) ? [eventType] : [eventType, ALL_EVENT_TYPES];
}
