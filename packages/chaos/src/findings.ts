import { SCHEDULE } from "@posthaste/domain";
import { earlyAttempts, type LoggedAttempt } from "@posthaste/stack";
import type { Character, Seen } from "./receivers.ts";
import type { Accepted } from "./traffic.ts";

/** What is known after a run: what was accepted, what is stored, and what the receivers saw. */
export type Facts = {
  readonly accepted: readonly Accepted[];
  /** Returns the snapshot that event number `n` was sent with. */
  readonly snapshotOf: (n: number) => string;
  readonly characters: ReadonlyMap<number, Character>;
  readonly events: readonly { readonly id: string; readonly data: Uint8Array }[];
  readonly deliveries: readonly StoredDelivery[];
  readonly attempts: readonly StoredAttempt[];
  readonly seen: readonly Seen[];
  /** Requests whose signature did not verify. */
  readonly unsigned: readonly Seen[];
  /** The account's statistics, summed over all time. */
  readonly counted: Counted;
  /** Attempts that the run itself requested: {@link askedKey} of each. */
  readonly asked: ReadonlySet<string>;
  readonly now: number;
};

export type Counted = Readonly<
  Record<"events" | "deliveries" | "succeeded" | "failed" | "attempts" | "accepted", number>
>;

export type StoredDelivery = {
  readonly id: string;
  readonly event_id: string;
  readonly subscription_id: number;
  readonly state: string;
  readonly attempts: number;
  readonly next_attempt_at: number | null;
};

export type StoredAttempt = LoggedAttempt & {
  readonly outcome: string;
  readonly status: number | null;
};

/** What a run found. No promise is broken if the three lists are empty. */
export type Findings = {
  /** Accepted events without a delivery, and deliveries that did not get as far as their receiver allows. */
  readonly lost: readonly string[];
  /** Requests before the schedule's time that nobody had requested. */
  readonly early: readonly string[];
  /** Everything else that breaks a promise. */
  readonly wrong: readonly string[];
  /** Requests beyond the log. Delivery is at least once; this counts the surplus. */
  readonly duplicates: number;
};

/** Identifies one attempt of a delivery. */
export function askedKey(deliveryId: string, number: number): string {
  return `${deliveryId} ${number}`;
}

export function findingsFrom(facts: Facts): Findings {
  const attemptsOf = groupBy(facts.attempts, (attempt) => attempt.delivery_id);
  const seenOf = groupBy(facts.seen, (seen) => seen.deliveryId);
  return {
    lost: [...lostEvents(facts), ...lostDeliveries(facts, seenOf)],
    early: earlyAttempts(
      facts.seen.map(({ deliveryId, attempt, request }) => ({
        deliveryId,
        number: attempt,
        at: request.receivedAt,
      })),
      facts.attempts,
      ({ deliveryId, number }) => facts.asked.has(askedKey(deliveryId, number)),
    ),
    wrong: [
      ...unrequested(facts),
      ...miscounted(facts),
      ...facts.deliveries.flatMap((delivery) => wrongNumbers(delivery, attemptsOf.get(delivery.id) ?? [])),
      ...facts.attempts.flatMap((attempt) => phantom(attempt, seenOf.get(attempt.delivery_id) ?? [])),
      ...facts.unsigned.map(
        (seen) => `${seen.deliveryId} attempt ${seen.attempt}: its signature does not verify`,
      ),
    ],
    duplicates: facts.seen.length - facts.attempts.filter(reachedItsReceiver(seenOf)).length,
  };
}

/**
 * Returns the accepted events that are not stored as they were sent, or that lack a delivery to a subscriber.
 */
function lostEvents({ accepted, snapshotOf, characters, events, deliveries }: Facts): string[] {
  const stored = new Map(events.map((event) => [event.id, Buffer.from(event.data).toString()]));
  const owed = groupBy(deliveries, (delivery) => delivery.event_id);
  return accepted.flatMap(({ n, eventId }) => {
    if (stored.get(eventId) !== snapshotOf(n))
      return [`event ${n} (${eventId}) is not stored as it was sent`];
    const reached = new Set((owed.get(eventId) ?? []).map((delivery) => delivery.subscription_id));
    return (
      [...characters]
        // A receiver that left gets no deliveries of later events.
        .filter(([id, character]) => character !== "leaving" && !reached.has(id))
        .map(([, character]) => `event ${n} (${eventId}) has no delivery to the ${character} receiver`)
    );
  });
}

/** Returns the deliveries that did not get as far as their receiver allows. */
function lostDeliveries(
  { characters, deliveries, now }: Facts,
  seenOf: ReadonlyMap<string, readonly Seen[]>,
): string[] {
  return deliveries.flatMap((delivery) => {
    const character = characters.get(delivery.subscription_id);
    const arrived = (seenOf.get(delivery.id) ?? []).some((seen) => seen.answered === 200);
    const isRight =
      character === "failing"
        ? delivery.state === "started" && delivery.attempts > 0 && (delivery.next_attempt_at ?? 0) > now
        : character === "leaving"
          ? delivery.state === "cancelled" || (delivery.state === "succeeded" && arrived)
          : delivery.state === "succeeded" && arrived;
    if (isRight) return [];
    const { id, state, attempts, next_attempt_at: next } = delivery;
    return [
      `${id} to the ${character} receiver is ${state} after ${attempts} attempts (next ${next}), arrived: ${arrived}`,
    ];
  });
}

/** Returns events and deliveries that nobody requested or that exist twice, and wrong request bodies. */
function unrequested({ accepted, events, deliveries, seen, snapshotOf }: Facts): string[] {
  const numberOf = new Map(accepted.map(({ n, eventId }) => [eventId, n]));
  const wrong: string[] = [];
  if (numberOf.size !== accepted.length) wrong.push("two accepted events have the same id");
  for (const { id } of events)
    if (!numberOf.has(id)) wrong.push(`event ${id} was stored twice, or never sent`);
  const pairs = new Set(deliveries.map((delivery) => `${delivery.event_id} ${delivery.subscription_id}`));
  if (pairs.size !== deliveries.length) wrong.push("an event has two deliveries to one subscription");
  const known = new Set(deliveries.map((delivery) => delivery.id));
  for (const { eventId, deliveryId, request } of seen) {
    const n = numberOf.get(eventId);
    if (n === undefined || !known.has(deliveryId))
      wrong.push(`a receiver got the unknown ${deliveryId} of ${eventId}`);
    else if (request.body.toString() !== `[${snapshotOf(n)}]`)
      wrong.push(`${deliveryId} arrived with another body`);
  }
  return wrong;
}

/** Compares the statistics with the log: they must be equal, whatever crashed. */
function miscounted({ counted, deliveries, attempts }: Facts): string[] {
  const inState = (...states: string[]) => deliveries.filter(({ state }) => states.includes(state)).length;
  const logged: Counted = {
    events: new Set(deliveries.map((delivery) => delivery.event_id)).size,
    deliveries: deliveries.length,
    succeeded: inState("succeeded"),
    failed: inState("exhausted", "blocked"),
    attempts: attempts.length,
    accepted: attempts.filter(({ outcome }) => outcome === "accepted").length,
  };
  const names = Object.keys(logged) as (keyof Counted)[];
  return names
    .filter((name) => counted[name] !== logged[name])
    .map((name) => `the statistics count ${counted[name]} ${name}, the log ${logged[name]}`);
}

/** The numbers must be 1, 2, 3 … up to the delivery's count, which is at most that of the schedule. */
function wrongNumbers(delivery: StoredDelivery, attempts: readonly StoredAttempt[]): string[] {
  const numbers = attempts.map((attempt) => attempt.number).sort((a, b) => a - b);
  const isRight =
    numbers.length === delivery.attempts &&
    numbers.length <= SCHEDULE.maximumAttempts &&
    numbers.every((number, i) => number === i + 1);
  return isRight
    ? []
    : [`${delivery.id} counts ${delivery.attempts} attempts and has the numbers ${numbers.join(", ")}`];
}

/**
 * Returns a line if the log has an answer that the receiver never gave. An attempt without an answer is not
 * checked: the faults cause these, too.
 */
function phantom(attempt: StoredAttempt, seen: readonly Seen[]): string[] {
  if (attempt.status === null) return [];
  const wasGiven = seen.some((one) => one.attempt === attempt.number && one.answered === attempt.status);
  return wasGiven
    ? []
    : [`${attempt.delivery_id} attempt ${attempt.number} has a ${attempt.status} that no receiver gave`];
}

function reachedItsReceiver(seenOf: ReadonlyMap<string, readonly Seen[]>) {
  return (attempt: StoredAttempt) =>
    (seenOf.get(attempt.delivery_id) ?? []).some((seen) => seen.attempt === attempt.number);
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}
