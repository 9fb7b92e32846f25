import { isTerminal } from "@posthaste/domain";
import { NEVER_ACCEPTS } from "../receivers.ts";
import { type Check, groupBy, isErased } from "./facts.ts";

/**
 * Every delivery got as far as its receiver allows: what succeeded has arrived, nothing was given up, and
 * nothing was cancelled but by its owner or the end of its subscription.
 */
export const deliveriesArrived: Check = (facts) => {
  const seenOf = groupBy(facts.seen, ({ deliveryId }) => deliveryId);
  const subscriptions = new Map(facts.subscriptions.map((row) => [row.id, row]));
  return facts.deliveries.flatMap((row) => {
    if (isErased(facts, row.account_id)) return [];
    const character = facts.known.get(row.subscription_id)?.character;
    const arrived = (seenOf.get(row.id) ?? []).some(({ answered }) => answered === 200);
    const what = `${row.id} (event ${row.event_id}) to the ${character} receiver`;
    const so = `${what} is ${row.state} after ${row.attempts} attempts, arrived: ${arrived}`;
    switch (row.state) {
      case "succeeded":
        return arrived ? [] : [`${so}: see its attempts`];
      case "cancelled":
        return subscriptions.get(row.subscription_id)?.state === "ended" || facts.cancelled.has(row.id)
          ? []
          : [`${so}, because "${row.ended_reason}"`];
      case "exhausted":
      case "blocked":
        return [`${so}: see its attempts`];
      default:
        if (character !== undefined && NEVER_ACCEPTS.has(character) && row.state === "started") return [];
        return [`${so}: see its row, its workflow and the workers' lines`];
    }
  });
};

/**
 * How long after its time an attempt may be under way, in milliseconds: the hanging receiver's takes 2 s, and
 * the time may come while the tables are read, which takes seconds after a long run.
 */
const UNDER_WAY_MS = 15_000;

/**
 * Nothing is open that should not be: a delivery of a live subscription has ended, is attempted, or waits for
 * a time in the future, one of an ended subscription has ended, and no fan-out, drain, end, recovery or
 * erasure is unfinished.
 */
export const nothingIsOpen: Check = (facts) => {
  const subscriptions = new Map(facts.subscriptions.map((row) => [row.id, row]));
  const deliveries = facts.deliveries.flatMap((row) => {
    if (row.isDeleted || isTerminal(row.state as never)) return [];
    const subscription = subscriptions.get(row.subscription_id);
    const state = subscription?.state ?? "gone";
    const since = facts.now - (row.state === "started" ? UNDER_WAY_MS : 0);
    const waits = (row.next_attempt_at ?? 0) > since && (row.state === "started" || row.state === "pending");
    if (state === "active" && waits) return [];
    return [
      `${row.id} is ${row.state} (next ${row.next_attempt_at}, now ${facts.now}), its subscription ` +
        `${row.subscription_id} is ${state}: see the upkeep, reconciler and dispatcher lines`,
    ];
  });
  const flags = facts.subscriptions
    .filter(({ draining, ending }) => draining + ending > 0)
    .map(
      ({ id, draining, ending }) => `subscription ${id}: draining ${draining}, ending ${ending}: see upkeep`,
    );
  return [
    ...deliveries,
    ...flags,
    ...facts.fanouts.map(({ event_id: id }) => `the fan-out of ${id} is unfinished: see fanouts and upkeep`),
    ...facts.recoveries
      .filter(({ state }) => state !== "completed" && state !== "cancelled")
      .map(({ id, kind, state }) => `${kind} ${id} is ${state}: see recoveries and its workflow`),
    ...facts.erasures
      .filter(({ state }) => state !== "completed")
      .map(
        ({ id, account_id, state }) => `erasure ${id} of account ${account_id} is ${state}: see its workflow`,
      ),
  ];
};

/**
 * Every delivery that was cancelled before a recovery of its account that has completed has been sent again,
 * unless an attempt was accepted of it, or of another one of the same event that was cancelled, too.
 */
export const cancelledAreRecovered: Check = (facts) => {
  const completed = facts.recoveries.filter(({ kind, state }) => kind === "recover" && state === "completed");
  const live = new Set(facts.subscriptions.filter(({ state }) => state !== "ended").map(({ id }) => id));
  const deliveriesOf = groupBy(facts.deliveries, (row) => `${row.event_id} ${row.subscription_id}`);
  const cancelledAt = new Map(
    facts.changes
      .filter(({ state }) => state === "cancelled")
      .map((row) => [row.delivery_id, row.changed_at]),
  );
  const accepted = new Set(
    facts.attempts.filter(({ outcome }) => outcome === "accepted").map((row) => row.delivery_id),
  );
  return facts.deliveries.flatMap((row) => {
    const at = cancelledAt.get(row.id);
    if (row.state !== "cancelled" || row.isDeleted || at === undefined || !live.has(row.subscription_id))
      return [];
    const ofPair = deliveriesOf.get(`${row.event_id} ${row.subscription_id}`) ?? [];
    if (ofPair.some(({ id, state }) => state === "cancelled" && accepted.has(id))) return [];
    const recovery = completed.find(
      ({ account_id, created_at, until_at }) =>
        account_id === row.account_id && at < created_at && row.created_at < until_at,
    );
    const later = ofPair.some(({ id }) => id > row.id);
    return recovery === undefined || later
      ? []
      : [
          `${row.id} was cancelled at ${at}, and recovery ${recovery.id} has left it out: see advance-recovery`,
        ];
  });
};
