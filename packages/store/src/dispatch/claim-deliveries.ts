import {
  type AccountId,
  type DeliveryId,
  type EventId,
  endMs,
  type Lane,
  lineAfter,
  type Pace,
  type Rate,
  type SubscriptionId,
  turnsNow,
} from "@posthaste/domain";
import { sql } from "kysely";
import { padded } from "../database/dialect/few-texts.ts";
import { lockRows } from "../database/lock-rows.ts";
import type { Store } from "../database/store.ts";
import { type Tx, transact } from "../database/transact.ts";
import { MOVED_COLUMNS, moveAll } from "../deliveries/move.ts";
import { parkPending } from "../lifecycle/park-deliveries.ts";
import { lockAllTurns, ownPaceOf, type Turns, writeTurns } from "../subscriptions/pace.ts";
import { pendingSubscriptions } from "./pending-subscriptions.ts";
import { halfOf, inFlightOf } from "./places.ts";

export type ClaimedDelivery = {
  readonly deliveryId: DeliveryId;
  readonly accountId: AccountId;
  readonly subscriptionId: SubscriptionId;
  readonly eventId: EventId;
  readonly eventType: string;
  readonly targetUrl: string;
  /** How its first attempt is to be made. */
  readonly lane: Lane;
  /** Its subscription fails. */
  readonly isFailing: boolean;
  /** Of its ingest; null where that was not traced. */
  readonly traceparent: string | null;
};

export type Claim = {
  /** Names the claimer in the lease. */
  readonly owner: string;
  /** Claims at most. */
  readonly limit: number;
  /** Attempts of one subscription claimed or under way at once, where its owner chose no number. */
  readonly inFlightMax: number;
  /** First attempts in a second of a subscription that is being drained, at most. Default: {@link DRAIN_PER_SECOND}. */
  readonly drainPerSecond?: number;
  /** After this the claim is void, and another may claim the row. */
  readonly leaseMs: number;
  readonly now: number;
  /** Of accounts that chose none. Default: `workflow`. */
  readonly laneDefault?: Lane;
  /** Only what is to be attempted in this lane. Default: all. */
  readonly lane?: Lane;
  /** Only of subscriptions that fail, or only of those that do not. Default: of both. */
  readonly isFailing?: boolean;
  /** Go on after this subscription, so that all get their turn. */
  readonly afterSubscription?: SubscriptionId;
};

/** A receiver that was away is not to be flooded when it is back. */
export const DRAIN_PER_SECOND = 50;
/** Subscriptions visited in one transaction at most: it holds their lines meanwhile, so it has to be short. */
const SUBSCRIPTIONS_AT_ONCE = 64;
/** Claims of one that fails: what it gets its turn for is not to be what the others wait for. */
const OF_FAILING_MAX = 4;
/** Claims that every subscription may have where many want some: reading more than is claimed costs little. */
const SHARE_MIN = 32;
/** Transactions of one call: where a thousand subscriptions wait for one of theirs to be over, the next call goes on. */
const VISITS_MAX = 16;
/** Subscriptions looked at in one call, also where all of them are another loop's and none is visited. */
const LOOKED_AT_MAX = 4_096;

/**
 * Claims pending deliveries under a lease, fairly: subscription by subscription, the oldest few of each, so that one
 * with a huge backlog, or one that hangs, never hides another. Two claimers never get the same row, and together they
 * keep to a subscription's rate and concurrency. What is pending of a paused or disabled one is parked.
 */
export async function claimDeliveries(
  store: Store,
  claim: Claim,
): Promise<{ claimed: ClaimedDelivery[]; lastSubscription: SubscriptionId | undefined }> {
  const claimed: ClaimedDelivery[] = [];
  let last: SubscriptionId | undefined;
  let visits = 0;
  let looked = 0;
  for await (const ids of pendingSubscriptions(store, claim.afterSubscription ?? 0)) {
    const wanted = await ofKind(store, ids, claim);
    for (let i = 0; i < wanted.length; i += SUBSCRIPTIONS_AT_ONCE) {
      const left = { ...claim, limit: claim.limit - claimed.length };
      const visited = wanted.slice(i, i + SUBSCRIPTIONS_AT_ONCE);
      const more = await transact(store, (tx) => claimOf(store, tx, visited, left));
      claimed.push(...more.claimed);
      if (claimed.length >= claim.limit) return { claimed, lastSubscription: more.last };
      last = visited.at(-1);
      visits += 1;
      if (visits === VISITS_MAX) return { claimed, lastSubscription: last };
    }
    last = ids.at(-1);
    looked += ids.length;
    if (looked >= LOOKED_AT_MAX) break;
  }
  return { claimed, lastSubscription: last };
}

/** Those of them that are asked for: nothing of the others need be locked. */
async function ofKind(
  { db }: Store,
  ids: readonly SubscriptionId[],
  claim: Claim,
): Promise<SubscriptionId[]> {
  const rows = await db
    .selectFrom("subscriptions as s")
    .innerJoin("accounts as a", "a.id", "s.account_id")
    .select(["s.id", "s.failing_since", "a.lane"])
    .where("s.id", "in", ids)
    .orderBy("s.id")
    .execute();
  return rows.filter((row) => isOfKind(kindOf(row, claim), claim)).map(({ id }) => id as SubscriptionId);
}

type Kind = { readonly lane: Lane; readonly isFailing: boolean };

function kindOf(row: { failing_since: number | null; lane: Lane | null }, claim: Claim): Kind {
  const isFailing = row.failing_since !== null;
  // What fails, and may hang, is not to take the places of what does not.
  const isDirect = (row.lane ?? claim.laneDefault) === "direct" && !isFailing;
  return { lane: isDirect ? "direct" : "workflow", isFailing };
}

function isOfKind({ lane, isFailing }: Kind, claim: Claim): boolean {
  return (claim.lane ?? lane) === lane && (claim.isFailing ?? isFailing) === isFailing;
}

/** A subscription with something pending. */
type Visited = Awaited<ReturnType<typeof readSubscriptions>>[number];

/** In the order of their ids, without those that are not (any more) asked for. */
async function readSubscriptions(tx: Tx, ids: readonly SubscriptionId[], claim: Claim) {
  const rows = await tx
    .selectFrom("subscriptions as s")
    .innerJoin("accounts as a", "a.id", "s.account_id")
    .select([
      "s.id",
      "s.state",
      "s.target_url",
      "s.draining",
      "s.failing_since",
      "s.rate_per_1000s",
      "s.rate_burst",
      "s.concurrency",
      "a.lane",
    ])
    .where("s.id", "in", ids)
    .orderBy("s.id")
    .execute();
  return rows
    .map((row) => ({ ...row, ...kindOf(row, claim), id: row.id }))
    .filter((row) => isOfKind(row, claim));
}

/** Visits these subscriptions in their order until the limit is reached. */
async function claimOf(
  store: Store,
  tx: Tx,
  ids: readonly SubscriptionId[],
  claim: Claim,
): Promise<{ claimed: ClaimedDelivery[]; last: SubscriptionId | undefined }> {
  const { owner, leaseMs, now } = claim;
  const lines = await lockAllTurns(store, tx, ids);
  // Read under the lock: a claim that waited for it would else go by what has changed meanwhile.
  const visited = await readSubscriptions(tx, ids, claim);
  if (visited.length === 0) return { claimed: [], last: undefined };
  const rooms = await roomsOf(store, tx, visited, lines, claim);
  const oldest = (await oldestOf(store, tx, rooms, now)).slice(0, claim.limit);
  const isAtLimit = oldest.length === claim.limit;
  const last = isAtLimit ? oldest.at(-1)?.subscriptionId : rooms.at(-1)?.subscription.id;
  const rows = await lockPending(store, tx, oldest, now);
  if (rows.length === 0) return { claimed: [], last };
  await moveAll(tx, "claim", rows, { lease_until: now + leaseMs }, now, { lease_owner: owner });
  for (const { subscription, rate, turns, stands } of rooms) {
    const count = rows.filter((row) => row.subscription_id === subscription.id).length;
    if (rate === null || count === 0) continue;
    await writeTurns(tx, subscription.id, { ...turns, [stands]: lineAfter(turns[stands], rate, now, count) });
  }
  const byId = new Map<number, Visited>(visited.map((subscription) => [subscription.id, subscription]));
  const claimed = rows.flatMap((row) => {
    const subscription = byId.get(row.subscription_id);
    if (subscription === undefined) return [];
    return {
      deliveryId: row.id,
      accountId: row.account_id,
      subscriptionId: subscription.id,
      eventId: row.event_id,
      eventType: row.event_type,
      targetUrl: subscription.target_url,
      // What was attempted before goes on by its log, which a workflow replays.
      lane: row.attempts === 0 ? subscription.lane : ("workflow" as const),
      isFailing: subscription.isFailing,
      traceparent: row.traceparent,
    };
  });
  return { claimed, last };
}

/** How many of a subscription may be claimed. */
type Room = {
  readonly subscription: Visited;
  readonly turns: Turns;
  readonly rate: Rate | null;
  /** Where its rate is kept. */
  readonly stands: "line" | "gate";
  readonly count: number;
};

/** How much room each has, up to its share of the limit. */
async function roomsOf(
  store: Store,
  tx: Tx,
  visited: readonly Visited[],
  lines: ReadonlyMap<SubscriptionId, Turns>,
  claim: Claim,
): Promise<Room[]> {
  const { now } = claim;
  const inFlight = await inFlightOf(
    tx,
    visited.map(({ id }) => id),
    now,
  );
  const rooms: Room[] = [];
  for (const subscription of visited) {
    const turns = lines.get(subscription.id);
    if (turns === undefined) continue;
    const { id, state } = subscription;
    if (state === "paused" || state === "disabled") await parkPending(store, tx, id, now);
    const own = ownPaceOf(subscription, claim.inFlightMax);
    const { rate, concurrency } = subscription.draining === 1 ? paceOfDrain(own, claim) : own;
    // Without a rate of the owner's the line is where retries stand, and nobody else uses the gate.
    const stands = own.rate === null ? "gate" : "line";
    const retriesWait = own.rate === null && endMs(turns.line) > now;
    const ofFirsts = retriesWait ? halfOf(concurrency) : concurrency;
    const { total, firsts } = inFlight(id);
    const byRate = rate === null ? claim.limit : turnsNow(turns[stands], rate, now);
    const atOnce = subscription.isFailing ? Math.min(OF_FAILING_MAX, claim.limit) : claim.limit;
    const count = Math.max(0, Math.min(atOnce, own.concurrency - total, ofFirsts - firsts, byRate));
    rooms.push({ subscription, turns, rate, stands, count });
  }
  const withRoom = rooms.filter(({ count }) => count > 0).length;
  const share = Math.max(SHARE_MIN, Math.ceil(claim.limit / withRoom));
  return rooms.map((room) => ({ ...room, count: Math.min(room.count, share) }));
}

/** The oldest few of each, in the order of the visits. */
async function oldestOf(store: Store, tx: Tx, rooms: readonly Room[], now: number): Promise<Oldest[]> {
  const wanted = rooms.filter(({ count }) => count > 0);
  if (wanted.length === 0) return [];
  const byState = sql.raw(store.seam.byIndex("deliveries_by_state"));
  // One text for several numbers of subscriptions: the last stands there once more, and gives nothing.
  const oldest = padded(wanted).map(
    ({ subscription: { id }, count }, i) => sql`select * from (
      select id, subscription_id from deliveries ${byState}
      where state = 'pending' and subscription_id = ${id} and (lease_until is null or lease_until < ${now})
      order by id limit ${i < wanted.length ? count : 0}
    ) as oldest`,
  );
  const { rows } = await sql<{
    id: DeliveryId;
    subscription_id: SubscriptionId;
  }>`${sql.join(oldest, sql` union all `)}`.execute(tx);
  const bySubscription = new Map<SubscriptionId, DeliveryId[]>();
  for (const row of rows) {
    const of = bySubscription.get(row.subscription_id) ?? [];
    of.push(row.id);
    bySubscription.set(row.subscription_id, of);
  }
  return wanted.flatMap(({ subscription: { id } }) =>
    (bySubscription.get(id) ?? []).sort().map((deliveryId) => ({ deliveryId, subscriptionId: id })),
  );
}

type Oldest = { readonly deliveryId: DeliveryId; readonly subscriptionId: SubscriptionId };

/** As far as nobody else has them. */
async function lockPending(store: Store, tx: Tx, oldest: readonly Oldest[], now: number) {
  if (oldest.length === 0) return [];
  const query = tx
    .selectFrom("deliveries")
    .select(MOVED_COLUMNS)
    .where(
      "id",
      "in",
      oldest.map(({ deliveryId }) => deliveryId),
    )
    .where("state", "=", "pending")
    .where((eb) => eb.or([eb("lease_until", "is", null), eb("lease_until", "<", now)]))
    .orderBy("id");
  return await lockRows(store, query, "skip").execute();
}

/** While parked deliveries are drained, one first attempt at a time keeps them in the order of their ingest. */
function paceOfDrain(own: Pace, { drainPerSecond = DRAIN_PER_SECOND }: Claim): Pace {
  const rate =
    own.rate !== null && own.rate.perSecond <= drainPerSecond
      ? own.rate
      : { perSecond: drainPerSecond, burst: 1 };
  return { rate, concurrency: 1 };
}
