import { SCHEDULE } from "@posthaste/domain";
import { earlyAttempts } from "@posthaste/stack";
import type { Seen } from "../receivers.ts";
import { attemptKey, type Check, type Facts, groupBy, isErased } from "./facts.ts";
import { type Felt, isFelt, timesOfFaults } from "./fault-times.ts";

/**
 * No request is sent before the schedule's time, unless somebody asked for it: the run did, or the
 * subscription was resumed, which sends at once what was due while it was paused.
 */
export const noneIsEarly: Check = (facts) => {
  const parks: { deliveryId: string; number: number; at: number }[] = [];
  const drained = new Set<string>();
  const inOrder = [...facts.changes].sort((a, b) => a.id - b.id);
  for (const { cause, delivery_id: deliveryId, attempts, changed_at: at } of inOrder) {
    const number = attempts + 1;
    // Pending again after a drain, it may be parked at any time.
    if (cause === "park" && !drained.has(attemptKey(deliveryId, number)))
      parks.push({ deliveryId, number, at });
    if (cause === "drain") drained.add(attemptKey(deliveryId, number));
  }
  const retried = retriedByRecoveries(facts);
  const isAsked = ({ deliveryId, number }: { deliveryId: string; number: number }) =>
    facts.asked.has(attemptKey(deliveryId, number)) || retried.has(deliveryId);
  const parkedEarly = earlyAttempts(parks, facts.attempts, isAsked).map(
    (line) => `${line} when it was parked, so a resume would send it at once`,
  );
  const sentEarly = earlyAttempts(
    facts.seen.map(({ deliveryId, attempt, request }) => ({
      deliveryId,
      number: attempt,
      at: request.receivedAt,
    })),
    facts.attempts,
    (request) => isAsked(request) || drained.has(attemptKey(request.deliveryId, request.number)),
  ).map((line) => `${line}: see posthaste_early_attempts_total and its log`);
  return [...parkedEarly, ...sentEarly];
};

/** Returns the deliveries of which a recovery has made an attempt due: those that were there before it. */
function retriedByRecoveries({ deliveries, recoveries }: Facts): ReadonlySet<string> {
  const createdAt = new Map(recoveries.map((recovery) => [recovery.id, recovery.created_at]));
  const retried = deliveries.filter(
    (row) => row.recovery_id !== null && row.created_at < (createdAt.get(row.recovery_id) ?? 0),
  );
  return new Set(retried.map(({ id }) => id));
}

/**
 * The attempts of a delivery are numbered 1, 2, 3 … up to its count, which is at most that of the schedule.
 */
export const attemptsAreNumbered: Check = (facts) => {
  const attemptsOf = groupBy(facts.attempts, (attempt) => attempt.delivery_id);
  const ids = new Set(facts.deliveries.map(({ id }) => id));
  const live = new Set(facts.deliveries.filter(({ isDeleted }) => !isDeleted).map(({ id }) => id));
  const counted = facts.deliveries.flatMap((row) => {
    const numbers = (attemptsOf.get(row.id) ?? []).map(({ number }) => number).sort((a, b) => a - b);
    const isRight =
      numbers.length === row.attempts &&
      numbers.length <= SCHEDULE.maximumAttempts &&
      numbers.every((number, i) => number === i + 1);
    return isRight
      ? []
      : [`${row.id} counts ${row.attempts} attempts and has the numbers ${numbers.join(", ")}`];
  });
  const orphans = facts.attempts
    .filter(({ isDeleted, delivery_id: id }) => !isDeleted && (!live.has(id) || !ids.has(id)))
    .map(
      ({ delivery_id: id, number }) => `attempt ${number} of ${id} has outlived its delivery: see attempts`,
    );
  return [...counted, ...orphans];
};

/**
 * The log has no answer that no receiver gave. An attempt without an answer is not checked: the faults cause
 * these, too.
 */
export const answersWereGiven: Check = ({ attempts, seen }) => {
  const given = new Set(
    seen.map(({ deliveryId, attempt, answered }) => `${attemptKey(deliveryId, attempt)} ${answered}`),
  );
  return attempts
    .filter(({ status }) => status !== null)
    .filter(({ delivery_id: id, number, status }) => !given.has(`${attemptKey(id, number)} ${status}`))
    .map(
      ({ delivery_id: id, number, status }) =>
        `${id} attempt ${number} has a ${status} that no receiver gave`,
    );
};

/** What arrives is the event, is signed, and belongs to a delivery. */
export const requestsAreRight: Check = (facts) => {
  const deliveries = new Map(facts.deliveries.map((row) => [row.id, row]));
  const snapshots = new Map(facts.events.map((row) => [row.id, row.data]));
  const wrong = facts.seen.flatMap(({ eventId, deliveryId, attempt, request }) => {
    const row = deliveries.get(deliveryId);
    if (row?.event_id !== eventId) return [`the receiver got the unknown ${deliveryId} of ${eventId}`];
    const data = snapshots.get(eventId);
    const isSame = data !== undefined && request.body.toString() === `[${Buffer.from(data).toString()}]`;
    return isSame ? [] : [`${deliveryId} attempt ${attempt} of ${eventId} arrived with another body`];
  });
  const unsigned = facts.unsigned.map(
    ({ deliveryId, attempt }) => `${deliveryId} attempt ${attempt}: its signature does not verify`,
  );
  return [...wrong, ...unsigned];
};

/**
 * How many of a receiver's attempts may be sent again beside faults. The leases of these runs last 2 s: a
 * worker that is busy or waits for a busy Temporal, which a fault has left behind, loses some that it would
 * keep for 30 s.
 */
const REPEATED_MAX = { share: 0.1, few: 20 };

/**
 * Few attempts are sent twice although no fault was felt since their last request. How much later one is sent
 * again says nothing: that its worker has died is noticed by its lease, by the time-out of its task in
 * Temporal (10 s) or by its heartbeats (30 s), and then it waits for the workflow's pause (up to a minute)
 * and for its turn.
 */
export const fewAreRepeated: Check = (facts) => {
  const times = timesOfFaults(facts);
  const isBeside = ({ request: { receivedAt } }: Seen) => !isFelt(times, receivedAt, receivedAt);
  return [...groupBy(facts.seen, ({ character }) => character).values()].flatMap((seen) => {
    const attempts = [...groupBy(seen, (one) => attemptKey(one.deliveryId, one.attempt)).values()];
    const beside = attempts.filter((requests) => requests.slice(0, 1).some(isBeside));
    const repeated = repeatedBeside(times, attempts);
    return repeated.length > Math.max(REPEATED_MAX.few, beside.length * REPEATED_MAX.share) ? repeated : [];
  });
};

/** Returns the requests that repeat an attempt beside faults. */
function repeatedBeside(times: readonly Felt[], attempts: readonly (readonly Seen[])[]): string[] {
  return attempts.flatMap((requests) => {
    const inOrder = [...requests].sort((one, other) => one.request.receivedAt - other.request.receivedAt);
    return inOrder.flatMap(({ deliveryId, attempt, request }, i) => {
      const last = inOrder[i - 1];
      if (last === undefined) return [];
      const { receivedAt } = last.request;
      if (isFelt(times, receivedAt, request.receivedAt)) return [];
      const afterMs = request.receivedAt - receivedAt;
      const what = `${deliveryId} attempt ${attempt}`;
      return [`${what} was sent again after ${afterMs} ms without a fault: see its lease and its workflow`];
    });
  });
}

/** Returns how many requests are not in the log: delivery is at least once. */
export function countDuplicates({ seen, attempts }: Facts): number {
  const arrived = new Set(seen.map((one: Seen) => attemptKey(one.deliveryId, one.attempt)));
  return seen.length - attempts.filter((row) => arrived.has(attemptKey(row.delivery_id, row.number))).length;
}

/** Nobody gets what nobody sent, or the same event twice without having asked for it. */
export const nothingIsUnrequested: Check = (facts) => {
  const accepted = new Set(facts.accepted.map(({ eventId }) => eventId));
  const ofTheRun = new Set([...facts.known.values()].map(({ eventType }) => eventType));
  const events = facts.events
    .filter(
      (row) => !isErased(facts, row.account_id) && ofTheRun.has(row.event_type) && !accepted.has(row.id),
    )
    .map(({ id }) => `event ${id} was stored twice, or never sent: see idempotency_keys`);
  const first = facts.changes.filter(
    (row) => ["ingested", "fanned_out", "replayed"].includes(row.cause) && !isErased(facts, row.account_id),
  );
  const twice = [...groupBy(first, (row) => `${row.event_id} to subscription ${row.subscription_id}`)]
    .filter(([, rows]) => rows.length > 1)
    .map(([pair, rows]) => `two deliveries of ${pair}: ${rows.map((row) => row.delivery_id).join(", ")}`);
  return [...events, ...twice];
};
