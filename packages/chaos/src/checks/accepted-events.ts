import { snapshotOf } from "../traffic/numbers.ts";
import type { Accepted, Known } from "../world.ts";
import { type Check, type Facts, groupBy, type StoredSubscription } from "./facts.ts";
import { acceptedByUrl, urlKey } from "./urls.ts";

/** How much the clocks of this process and of the database may differ: they are on one machine. */
const SLACK_MS = 1_000;

/**
 * Every accepted event is stored as it was sent, and has a delivery to each subscription that it is owed to.
 */
export const acceptedEvents: Check = (facts) => {
  const stored = new Map(facts.events.map((event) => [event.id, event]));
  const delivered = new Set(facts.deliveries.map((row) => `${row.event_id} ${row.subscription_id}`));
  const rows = new Map(facts.subscriptions.map((row) => [row.id, row]));
  const replayedAt = replays(facts);
  const accepted = acceptedByUrl(facts);
  // A replay leaves out what its URL has accepted from another subscription, or was about to.
  const leftOut = (key: string, at = 0) => accepted.get(key)?.some((row) => row.started_at < at) ?? false;
  return facts.accepted.flatMap((event) => {
    const row = stored.get(event.eventId);
    if (row === undefined || Buffer.from(row.data).toString() !== snapshotOf(event.n)) {
      return [`event ${event.n} (${event.eventId}) is not stored as it was sent: see events`];
    }
    return [...facts.known]
      .filter(([id, known]) => {
        const subscription = rows.get(id);
        if (known.account !== event.account || known.eventType !== event.eventType) return false;
        if (subscription === undefined) return false;
        return (
          isOwed(event, known, subscription) ||
          (!row.isDeleted &&
            isReplayed(event, known, subscription, replayedAt.get(id)) &&
            !leftOut(urlKey(event.eventId, subscription.target_url), replayedAt.get(id)))
        );
      })
      .filter(([id]) => !delivered.has(`${event.eventId} ${id}`))
      .map(
        ([id, { character }]) =>
          `event ${event.n} (${event.eventId}) has no delivery to the ${character} receiver (subscription ${id}): ` +
          "see fanouts and subscription_event_types",
      );
  });
};

/** It existed before the event was sent, and ended, if at all, after the event was accepted. */
function isOwed(event: Accepted, known: Known, { ended_at: endedAt }: StoredSubscription): boolean {
  return known.knownAt < event.sentAt && (endedAt === null || endedAt - SLACK_MS > event.acceptedAt);
}

/** A replay that has completed for it found the event. */
function isReplayed(
  event: Accepted,
  known: Known,
  { ended_at: endedAt }: StoredSubscription,
  replayedAt: number | undefined,
): boolean {
  if (replayedAt === undefined || (endedAt !== null && endedAt <= replayedAt)) return false;
  return event.acceptedAt < known.knownAt - SLACK_MS;
}

/** When the first replay of each subscription had completed. */
function replays({ recoveries }: Facts): ReadonlyMap<number, number> {
  const completed = recoveries.filter(({ kind, state }) => kind === "replay" && state === "completed");
  const bySubscription = groupBy(completed, (row) => row.subscription_id ?? 0);
  return new Map(
    [...bySubscription].map(([id, rows]) => [Number(id), Math.min(...rows.map((row) => row.ended_at ?? 0))]),
  );
}
