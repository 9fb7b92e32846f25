import { MINUTE_MS, scheduledWaitMs } from "@posthaste/domain";
import { DEFERRED_MAX_MS } from "@posthaste/store";
import type { Check } from "./facts.ts";

/**
 * How much longer than by the schedule a retry may wait for its turn. A receiver that hangs for 2 s gets a
 * few retries a second, and thousands of them wait at the end of a run.
 */
const IN_LINE_MAX_MS = 60 * MINUTE_MS;

/**
 * No retry is put off for longer than the schedule and its turn can put it off (no receiver sends a
 * `Retry-After`), and the reconciler looks at each in time. The run asks for most retries instead of waiting
 * for them, which would repair such a row: so this is about the rows as they were before.
 */
export const retriesKeepTime: Check = ({ waiting, deliveries, now }) => {
  const left = deliveries.filter(({ state, isDeleted }) => state === "started" && !isDeleted);
  return [...waiting, ...left.map((row) => ({ ...row, at: now }))].flatMap((row) => {
    const { id, attempts, next_attempt_at: next, reconcile_after: looked, at } = row;
    const dueAt = next ?? at;
    const wrong = [];
    if (dueAt > at + (scheduledWaitMs(attempts) ?? 0) + IN_LINE_MAX_MS)
      wrong.push(`its next attempt is ${dueAt - at} ms away`);
    // An overdue one is looked at again and again, and deferred from the time of each look.
    if (looked === null || looked > Math.max(dueAt, at) + DEFERRED_MAX_MS)
      wrong.push(`the reconciler leaves it alone until ${looked} (next ${next}, now ${at})`);
    return wrong.map((what) => `${id} waits after ${attempts} attempts, and ${what}: see its row`);
  });
};
