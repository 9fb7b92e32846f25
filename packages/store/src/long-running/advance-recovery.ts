import { randomBytes } from "node:crypto";
import {
  ALL_EVENT_TYPES,
  type DeliveryId,
  type EventId,
  isOperational,
  type RecoveryId,
  type SubscriptionId,
} from "@posthaste/domain";
import type { Selectable } from "kysely";
import { byIndex } from "../database/by-index.ts";
import { ID_SLACK_MS, leastDeliveryId, leastEventId, sha256 } from "../database/ids.ts";
import { lockRows } from "../database/lock-rows.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import { type Tx, transact } from "../database/transact.ts";
import { lockEvents } from "../deliveries/lock-events.ts";
import { passOnKeys } from "../deliveries/move.ts";
import { type DeliveryRow, deliveryRow, insertUnlessTaken } from "../deliveries/new-deliveries.ts";
import { OPEN_STATES, RECONCILE_GRACE_MS } from "../deliveries/transitions.ts";
import { type KeyHolder, keyHolders } from "../deliveries/url-keys.ts";
import { roomInOrder } from "../dispatch/in-order.ts";
import { lockSubscriptions } from "../subscriptions/lock-subscription.ts";
import { parks } from "../subscriptions/match-subscriptions.ts";
import { deliveredTo, PAIRS_PER_STEP, receiversOn } from "./delivered-events.ts";
import { type Recovery, recoveryOf } from "./recoveries.ts";

type Row = Selectable<Tables["recoveries"]>;
type Subscription = Selectable<Tables["subscriptions"]>;

/**
 * The result of one step: the deliveries to create, and where the step ended. `read`: what it examined,
 * events outside of the recovery's types included. `cursor` undefined: it was the last step.
 */
type Step = {
  readonly read: number;
  readonly examined: number;
  readonly rows: DeliveryRow[];
  /** Deliveries from which some of `rows` take over the key of their URL. */
  readonly superseded?: readonly KeyHolder[];
  readonly cursor: string | undefined;
  /** Nothing was examined: enough deliveries of the replay wait to be sent. */
  readonly isHeldUp?: boolean;
  /** When a replay's subscription ended, if it has. */
  readonly subscriptionEndedAt?: number | null | undefined;
};

/**
 * Deliveries or events that a step examines, also if it may create fewer: most of them may need nothing, and
 * a step for each would take longer than the rate asks for.
 */
const EXAMINED_AT_LEAST = 50;

/**
 * The states that a recovery sends again: the schedule was used up, the target may not be called, or the
 * delivery was cancelled.
 */
const RECOVERABLE = ["exhausted", "blocked", "cancelled"] as const;

/**
 * Creates a recovery's next deliveries, at most as many as its rate allows in one second, and moves its
 * cursor in the same transaction. A crash repeats and skips nothing, and concurrent callers take turns.
 *
 * @returns the recovery, and how many deliveries this step created, and deliveries or events it examined;
 *   `isHeldUp`: it creates more once some of what it has created was sent. undefined: not found
 */
export async function advanceRecovery(
  store: Store,
  { id, limit, now }: { id: RecoveryId; limit: number; now: number },
): Promise<Advanced | undefined> {
  return await transact(store, async (tx) => {
    const query = tx.selectFrom("recoveries").selectAll().where("id", "=", id);
    const row = await lockRows(store, query).executeTakeFirst();
    if (row === undefined) return undefined;
    if (row.state !== "running") return { ...recoveryOf(row), madeNow: 0, examinedNow: 0, isHeldUp: false };
    const step = row.kind === "recover" ? recover : replay;
    const makeMax = row.dry_run === 1 ? limit : Math.min(limit, row.rate_per_second);
    const bounds = { limit: Math.min(limit, Math.max(makeMax, EXAMINED_AT_LEAST)), makeMax, now };
    const { read, examined, rows, superseded = [], cursor, ...more } = await step(store, tx, row, bounds);
    const cause = row.kind === "recover" ? "recovered" : "replayed";
    if (row.dry_run === 0) {
      await passOnKeys(tx, superseded);
      await insertUnlessTaken(store, tx, rows, cause);
    }
    const made = rows.length;
    const moved = {
      state: cursor === undefined ? ("completed" as const) : ("running" as const),
      cursor_id: cursor ?? row.cursor_id,
      examined: row.examined + examined,
      made: row.made + made,
      left_out: row.left_out + examined - made,
      workflow_at: now,
      // The step may have waited for the transaction that ended the subscription.
      ended_at: cursor === undefined ? Math.max(now, more.subscriptionEndedAt ?? now) : null,
    };
    await tx.updateTable("recoveries").set(moved).where("id", "=", id).execute();
    const madeNow = row.dry_run === 0 ? made : 0;
    const isHeldUp = more.isHeldUp === true;
    return { ...recoveryOf({ ...row, ...moved }), madeNow, examinedNow: read, isHeldUp };
  });
}

/** A recovery after a step. */
type Advanced = Recovery & {
  readonly madeNow: number;
  readonly examinedNow: number;
  readonly isHeldUp: boolean;
};

/** A failed delivery that may be sent again. */
type Candidate = Pick<
  Selectable<Tables["deliveries"]>,
  "id" | "event_id" | "event_type" | "subscription_id" | "test" | "created_at"
>;

/** `limit`: of what is examined; `makeMax`: of what is created. */
type Bounds = { readonly limit: number; readonly makeMax: number; readonly now: number };

async function recover(store: Store, tx: Tx, row: Row, { limit, makeMax, now }: Bounds): Promise<Step> {
  const found = (
    await Promise.all(RECOVERABLE.map((state) => failedIn(store, tx, row, state, limit)))
  ).flat();
  const candidates = found.sort((a, b) => (a.id < b.id ? -1 : 1)).slice(0, limit);
  const subscriptions = await liveSubscriptions(
    store,
    tx,
    candidates.map((candidate) => candidate.subscription_id),
  );
  const events = await lockEvents(
    store,
    tx,
    candidates.map((candidate) => candidate.event_id),
  );
  // Read while the subscriptions are locked, since another recovery or a resend may be creating a newer
  // delivery.
  const newest = await newestOf(store, tx, candidates);
  const rows: DeliveryRow[] = [];
  let examined = 0;
  for (const candidate of candidates) {
    if (rows.length === makeMax) break;
    examined += 1;
    const subscription = subscriptions.get(candidate.subscription_id);
    const { id, acceptedBy } = newest.get(pairOf(candidate)) ?? {};
    const isAccepted = acceptedBy !== undefined && candidate.created_at <= acceptedBy;
    const isLeftOut =
      id !== candidate.id || isAccepted || candidate.test === 1 || !events.has(candidate.event_id);
    if (subscription === undefined || isLeftOut) continue;
    const origin = originOf(row, candidate.event_id, candidate.event_type, now);
    rows.push(
      deliveryRow(origin, {
        subscriptionId: subscription.id,
        parks: parks(subscription),
        // Ingest reaches a URL once per event. A random key lets this delivery exist besides that one.
        targetHash: sha256(subscription.target_hash, randomBytes(16)),
      }),
    );
  }
  const isLast = found.length < limit && examined === found.length;
  return { read: examined, examined, rows, cursor: isLast ? undefined : candidates[examined - 1]?.id };
}

async function failedIn(
  store: Store,
  tx: Tx,
  row: Row,
  state: (typeof RECOVERABLE)[number],
  limit: number,
): Promise<Candidate[]> {
  const index =
    row.subscription_id === null ? "deliveries_by_account_state" : "deliveries_by_state_and_account";
  let query = tx
    .selectFrom(byIndex(store, "deliveries", index))
    .select(["id", "event_id", "event_type", "subscription_id", "test", "created_at"])
    .where("state", "=", state)
    .where("account_id", "=", row.account_id)
    .where("id", ">", row.cursor_id as DeliveryId)
    .where("id", "<", leastDeliveryId(row.until_at + ID_SLACK_MS))
    .where("created_at", ">=", row.since_at)
    .where("created_at", "<", row.until_at)
    .orderBy("id")
    .limit(limit);
  if (row.subscription_id !== null) query = query.where("subscription_id", "=", row.subscription_id);
  return await query.execute();
}

async function replay(store: Store, tx: Tx, row: Row, { limit, now, ...bounds }: Bounds): Promise<Step> {
  const id = row.subscription_id;
  const subscription = id === null ? undefined : (await lockSubscriptions(store, tx, [id])).get(id);
  if (subscription === undefined || subscription.state === "ended") {
    const subscriptionEndedAt = subscription?.ended_at;
    return { read: 0, examined: 0, rows: [], cursor: undefined, subscriptionEndedAt };
  }
  // What is parked is sent in order, however much it is.
  const isAhead = row.dry_run === 0 && !parks(subscription);
  const room = isAhead
    ? await roomInOrder(store, tx, { subscriptionId: subscription.id, now })
    : bounds.makeMax;
  if (room === 0) return { read: 0, examined: 0, rows: [], cursor: row.cursor_id, isHeldUp: true };
  const makeMax = Math.min(bounds.makeMax, room);
  const wanted = await wantedBy(tx, subscription.id);
  const events = await tx
    .selectFrom(byIndex(store, "events", "events_by_account"))
    .select(["id", "event_type", "created_at"])
    .where("account_id", "=", row.account_id)
    .where("id", ">", row.cursor_id as EventId)
    .where("id", "<", leastEventId(row.until_at + ID_SLACK_MS))
    .orderBy("id")
    .limit(limit)
    .execute();
  const candidates = events.filter(
    (event) =>
      wanted(event.event_type) && event.created_at >= row.since_at && event.created_at < row.until_at,
  );
  const since = Math.min(...candidates.map((event) => event.created_at));
  const { length: pairsPerEvent } = await receiversOn(store, tx, subscription, since);
  const looked = candidates.slice(0, Math.max(1, Math.floor(PAIRS_PER_STEP / pairsPerEvent)));
  const ids = looked.map((event) => event.id);
  const intact = await lockEvents(store, tx, ids);
  // Read again, since another subscription may have moved here while this waited for the lock.
  const receivers = await receiversOn(store, tx, subscription, since);
  const delivered = await deliveredTo(store, tx, ids, { subscription, receivers, since });
  const holders = await keyHolders(store, tx, { eventIds: ids, keys: [subscription.target_hash] });
  const holderOf = new Map(holders.map((holder) => [holder.eventId, holder]));
  const rows: DeliveryRow[] = [];
  const superseded: KeyHolder[] = [];
  let examined = 0;
  for (const event of looked) {
    if (rows.length === makeMax) break;
    examined += 1;
    const holder = holderOf.get(event.id);
    if (!intact.has(event.id) || delivered.has(event.id) || holder?.serves) continue;
    if (holder !== undefined) superseded.push(holder);
    rows.push(
      deliveryRow(
        { ...originOf(row, event.id, event.event_type, now), isInOrder: true },
        {
          subscriptionId: subscription.id,
          parks: parks(subscription),
          targetHash: subscription.target_hash,
        },
      ),
    );
  }
  const read = looked.length < candidates.length ? looked.length : events.length;
  const step = { read, examined, rows, superseded };
  if (examined < candidates.length) return { ...step, cursor: candidates[examined - 1]?.id };
  return { ...step, cursor: events.length < limit ? undefined : events.at(-1)?.id };
}

async function wantedBy(tx: Tx, subscriptionId: SubscriptionId): Promise<(eventType: string) => boolean> {
  const rows = await tx
    .selectFrom("subscription_event_types")
    .select("event_type")
    .where("subscription_id", "=", subscriptionId)
    .where("removed_at", "is", null)
    .execute();
  const types = new Set(rows.map((row) => row.event_type));
  return (eventType) => types.has(eventType) || (types.has(ALL_EVENT_TYPES) && !isOperational(eventType));
}

/** What is known of the deliveries of an event to a subscription. */
type Newest = {
  readonly id: string;
  /**
   * One of them was cancelled during an attempt that was accepted, by this time at the latest. Whoever made
   * another one later knew, and wanted it sent again: a resend. Undefined: there is none.
   */
  readonly acceptedBy: number | undefined;
};

/**
 * Returns the newest delivery of each event to each subscription, if none is open: older ones have been sent
 * again since. An open one may have a smaller id, since the clocks of two processes differ.
 */
async function newestOf(
  store: Store,
  tx: Tx,
  candidates: readonly Candidate[],
): Promise<Map<string, Newest>> {
  if (candidates.length === 0) return new Map();
  const rows = await tx
    .selectFrom("deliveries as candidate")
    // An event may have thousands of deliveries to other subscriptions.
    .innerJoin(byIndex(store, "deliveries", "deliveries_by_event"), (join) =>
      join
        .onRef("deliveries.event_id", "=", "candidate.event_id")
        .onRef("deliveries.subscription_id", "=", "candidate.subscription_id"),
    )
    .select(["deliveries.event_id", "deliveries.subscription_id"])
    .select((eb) => [
      eb.fn.max("deliveries.id").as("newest"),
      eb.fn.max(eb.case().when("deliveries.state", "in", OPEN_STATES).then(1).else(0).end()).as("open"),
      eb.fn
        .max(
          eb
            .case()
            .when(
              eb.and([
                eb("deliveries.state", "=", "cancelled"),
                eb("deliveries.last_outcome", "=", "accepted"),
              ]),
            )
            .then(eb.ref("deliveries.ended_at"))
            .end(),
        )
        .as("cancelled_at"),
    ])
    .where(
      "candidate.id",
      "in",
      candidates.map(({ id }) => id),
    )
    .groupBy(["deliveries.event_id", "deliveries.subscription_id"])
    .execute();
  const ended = rows.filter(({ open }) => Number(open) === 0);
  return new Map(
    ended.map((row) => {
      const acceptedBy =
        row.cancelled_at === null ? undefined : Number(row.cancelled_at) + RECONCILE_GRACE_MS;
      return [pairOf(row), { id: row.newest, acceptedBy }];
    }),
  );
}

function pairOf(row: Pick<Candidate, "event_id" | "subscription_id">): string {
  return `${row.event_id} ${row.subscription_id}`;
}

/**
 * Locks these subscriptions, so that none ends or is paused before its deliveries are created, and returns
 * the live ones.
 */
async function liveSubscriptions(
  store: Store,
  tx: Tx,
  ids: readonly SubscriptionId[],
): Promise<Map<SubscriptionId, Subscription>> {
  const locked = await lockSubscriptions(store, tx, ids);
  return new Map([...locked].filter(([, { state }]) => state !== "ended"));
}

function originOf(row: Row, eventId: string, eventType: string, now: number) {
  return { accountId: row.account_id, eventId: eventId as EventId, eventType, now };
}
