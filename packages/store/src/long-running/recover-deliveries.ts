import { randomBytes } from "node:crypto";
import {
  type DeliveryId,
  type EventId,
  type LeftOutReason,
  RECOVERABLE_STATES,
  type RecoverableState,
  type SubscriptionId,
} from "@posthaste/domain";
import type { Selectable } from "kysely";
import { byIndex } from "../database/by-index.ts";
import { ID_SLACK_MS, leastDeliveryId, sha256 } from "../database/ids.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import type { Tx } from "../database/transact.ts";
import { lockEvents } from "../deliveries/lock-events.ts";
import { type LockedDelivery, lockDeliveries } from "../deliveries/move.ts";
import { type DeliveryRow, deliveryRow, SENT_MAX } from "../deliveries/new-deliveries.ts";
import { hasTraits, TRAIT_COLUMNS } from "../deliveries/traits.ts";
import { OPEN_STATES, RECONCILE_GRACE_MS } from "../deliveries/transitions.ts";
import { lockSubscriptions } from "../subscriptions/lock-subscription.ts";
import { parks } from "../subscriptions/match-subscriptions.ts";
import { FAILED_STATES, recoveryOf } from "./recoveries.ts";
import { type Bounds, originOf, type RecoveryRow, type Step } from "./recovery-step.ts";

type Subscription = Selectable<Tables["subscriptions"]>;

const CANDIDATE_COLUMNS = [
  "id",
  "event_id",
  "subscription_id",
  "state",
  "test",
  "created_at",
  ...TRAIT_COLUMNS,
] as const;
/** A delivery that a recovery may send again. */
type Candidate = Pick<Selectable<Tables["deliveries"]>, (typeof CANDIDATE_COLUMNS)[number]>;

/**
 * What a recovery does with a delivery. `held`: another transaction has its row, or has just ended it, so it
 * comes later.
 */
type Decision =
  | { readonly kind: "held" }
  | { readonly kind: "retry"; readonly delivery: LockedDelivery }
  | { readonly kind: "resend"; readonly row: DeliveryRow }
  | { readonly kind: "leave out"; readonly why: LeftOutReason };

/**
 * Plans what a recovery does with its next deliveries: those that wait for a retry make it now, and those
 * that have ended are sent again as new deliveries.
 */
export async function recoverDeliveries(
  store: Store,
  tx: Tx,
  row: RecoveryRow,
  { limit, makeMax, now }: Bounds,
): Promise<Step> {
  const { states = FAILED_STATES, eventId, ...traits } = recoveryOf(row).filter;
  // Those that wait come first: one that ends meanwhile is found in its new state, too, which counts.
  const inOrder = RECOVERABLE_STATES.filter((state) => states.includes(state));
  const lists: Candidate[][] = [];
  for (const state of inOrder) lists.push(await candidatesIn(store, tx, row, { state, eventId, limit }));
  const unique = new Map(lists.flat().map((candidate) => [candidate.id, candidate]));
  const found = [...unique.values()].sort((a, b) => (a.id < b.id ? -1 : 1)).slice(0, limit);
  // Where the clock was set back, what the recovery has made lies within its time.
  const candidates = found.filter(
    (candidate) => candidate.recovery_id !== row.id && hasTraits(traits, candidate),
  );
  const decide = await deciderOf(store, tx, row, candidates, now);
  const rows: DeliveryRow[] = [];
  const waiting: LockedDelivery[] = [];
  const leftOut: LeftOutReason[] = [];
  let isHeldUp = false;
  for (const candidate of candidates) {
    if (rows.length + waiting.length === makeMax) break;
    const decision = decide(candidate);
    if (decision.kind === "held") {
      isHeldUp = true;
      break;
    }
    if (decision.kind === "retry") waiting.push(decision.delivery);
    else if (decision.kind === "resend") rows.push(decision.row);
    else leftOut.push(decision.why);
  }
  const examined = rows.length + waiting.length + leftOut.length;
  const plan = { examined, rows, waiting, leftOut, isHeldUp };
  // Enough were found, or one is held: the others come in the next step.
  if (examined < candidates.length) {
    return { ...plan, read: examined, cursor: candidates[examined - 1]?.id ?? row.cursor_id };
  }
  const isLast = lists.every((list) => list.length < limit) && unique.size <= limit;
  return { ...plan, read: found.length, cursor: isLast ? undefined : found.at(-1)?.id };
}

async function candidatesIn(
  store: Store,
  tx: Tx,
  row: RecoveryRow,
  { state, eventId, limit }: { state: RecoverableState; eventId: EventId | undefined; limit: number },
): Promise<Candidate[]> {
  const ofState =
    row.subscription_id === null ? "deliveries_by_account_state" : "deliveries_by_state_and_account";
  // A step sorts the deliveries of an event: thousands at most. An account has millions in a range of time.
  const index = eventId === undefined ? ofState : "deliveries_by_event";
  let query = tx
    .selectFrom(byIndex(store, "deliveries", index))
    .select(CANDIDATE_COLUMNS)
    .where("state", "=", state)
    .where("account_id", "=", row.account_id)
    .where("id", ">", row.cursor_id as DeliveryId)
    .where("id", "<", leastDeliveryId(row.until_at + ID_SLACK_MS))
    .where("created_at", ">=", row.since_at)
    .where("created_at", "<", row.until_at)
    .orderBy("id")
    .limit(limit);
  if (eventId !== undefined) query = query.where("event_id", "=", eventId);
  if (row.subscription_id !== null) query = query.where("subscription_id", "=", row.subscription_id);
  return await query.execute();
}

/** Locks and reads what decides what is done with each candidate. */
async function deciderOf(
  store: Store,
  tx: Tx,
  recovery: RecoveryRow,
  candidates: readonly Candidate[],
  now: number,
): Promise<(candidate: Candidate) => Decision> {
  const ended = candidates.filter(({ state }) => state !== "started");
  const subscriptions = await liveSubscriptions(
    store,
    tx,
    ended.map((candidate) => candidate.subscription_id),
  );
  const events = await lockEvents(
    store,
    tx,
    ended.map((candidate) => candidate.event_id),
  );
  const started = candidates.filter(({ state }) => state === "started").map(({ id }) => id);
  // Who waited for a row would keep those that it has from others meanwhile.
  const free = await lockDeliveries(store, tx, started, "skip");
  const locked = new Map(free.map((delivery) => [delivery.id, delivery]));
  // Read while the subscriptions are locked, since another recovery or a resend may be creating a newer
  // delivery.
  const newest = await newestOf(store, tx, ended);
  const leaveOut = (why: LeftOutReason) => ({ kind: "leave out", why }) as const;
  return (candidate) => {
    if (candidate.state === "started") {
      const delivery = locked.get(candidate.id);
      // One that ended after it was found may be one to send again: the next step finds its new state.
      if (delivery?.state !== "started") return { kind: "held" };
      const waits = (delivery.next_attempt_at ?? 0) > now;
      return waits ? { kind: "retry", delivery } : leaveOut("due");
    }
    const subscription = subscriptions.get(candidate.subscription_id);
    const { id, acceptedBy, count = 0 } = newest.get(pairOf(candidate)) ?? {};
    const isAccepted = acceptedBy !== undefined && candidate.created_at <= acceptedBy;
    if (candidate.test === 1) return leaveOut("test");
    if (subscription === undefined) return leaveOut("subscription_ended");
    if (!events.has(candidate.event_id)) return leaveOut("event_deleted");
    if (id !== candidate.id) return leaveOut("already_sent");
    if (count >= SENT_MAX) return leaveOut("too_often");
    // Whoever names succeeded deliveries wants what was accepted to be sent again.
    if (isAccepted && candidate.state !== "succeeded") return leaveOut("accepted");
    const origin = { ...originOf(recovery, candidate, now), resendOf: candidate.id };
    // Ingest reaches a URL once per event. A random key lets this delivery exist besides that one.
    const targetHash = sha256(subscription.target_hash, randomBytes(16));
    const match = { subscriptionId: subscription.id, parks: parks(subscription), targetHash };
    return { kind: "resend", row: deliveryRow(origin, match) };
  };
}

/** What is known of the deliveries of an event to a subscription. */
type Newest = {
  readonly id: string;
  /**
   * One of them was cancelled during an attempt that was accepted, by this time at the latest. Whoever made
   * another one later knew, and wanted it sent again: a resend. Undefined: there is none.
   */
  readonly acceptedBy: number | undefined;
  /** How many there are. */
  readonly count: number;
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
      eb.fn.countAll().as("count"),
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
    // One candidate of each pair: an event that was sent again and again has as many candidates.
    .where("candidate.id", "in", [...new Map(candidates.map((one) => [pairOf(one), one.id])).values()])
    .groupBy(["deliveries.event_id", "deliveries.subscription_id"])
    .execute();
  const ended = rows.filter(({ open }) => Number(open) === 0);
  return new Map(
    ended.map((row) => {
      const acceptedBy =
        row.cancelled_at === null ? undefined : Number(row.cancelled_at) + RECONCILE_GRACE_MS;
      return [pairOf(row), { id: row.newest, acceptedBy, count: Number(row.count) }];
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
