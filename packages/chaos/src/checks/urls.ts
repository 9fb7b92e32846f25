import { type Check, type Facts, groupBy, type StoredAttempt } from "./facts.ts";
import { isFelt, timesOfFaults } from "./fault-times.ts";

/**
 * Beside faults, what a worker knows is stored within this time, and a step of a replay or a recovery is
 * over: transactions take some ten milliseconds.
 */
const STORED_WITHIN_MS = 1_000;

/**
 * No URL accepts an event from two deliveries, if it was stored that it had accepted the first one when the
 * second one was created. A replay or a recovery may send what an attempt delivers that is under way at that
 * moment, and it does not know what a worker knows that was killed, or whose database failed.
 */
export const urlsAcceptOnce: Check = (facts) => {
  const changesOf = groupBy(facts.changes, (row) => row.delivery_id);
  const times = timesOfFaults(facts, STORED_WITHIN_MS);
  const storyOf = (id: string) => {
    const changes = [...(changesOf.get(id) ?? [])].sort((one, other) => one.id - other.id);
    const acceptance = changes.find((row) => row.attempt_ms !== null && row.last_outcome === "accepted");
    return { id, creation: changes[0], acceptance };
  };
  return [...acceptedByUrl(facts)].flatMap(([key, attempts]) => {
    const stories = [...new Set(attempts.map((row) => row.delivery_id))].map(storyOf);
    return stories.flatMap(({ id, creation }) => {
      if (creation === undefined) return [];
      const at = creation.changed_at;
      if (isFelt(times, at, at + STORED_WITHIN_MS)) return [];
      const known = stories.find(
        ({ acceptance }) =>
          acceptance !== undefined &&
          acceptance.id < creation.id &&
          acceptance.changed_at + STORED_WITHIN_MS < at,
      );
      return known === undefined ? [] : [`${key} was accepted from ${known.id}, and again from ${id}`];
    });
  });
};

/** Returns the accepted attempts of each event at each URL, by {@link urlKey}. */
export function acceptedByUrl(facts: Facts): ReadonlyMap<string | number, readonly StoredAttempt[]> {
  const eventOf = new Map(facts.deliveries.map((row) => [row.id, row.event_id]));
  return groupBy(
    facts.attempts.filter(({ outcome }) => outcome === "accepted"),
    (row) => urlKey(eventOf.get(row.delivery_id), row.target_url),
  );
}

/** Identifies an event at a URL. */
export function urlKey(eventId: string | undefined, url: string): string {
  return `${eventId} at ${url}`;
}
