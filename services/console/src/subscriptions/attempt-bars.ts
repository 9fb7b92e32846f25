import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { AttemptsBucket } from "@posthaste/contracts/subscription";

/** The bars of a chart of attempts: where each begins, and its two parts. Null: nothing is known. */
export type AttemptBars = {
  readonly times: readonly number[];
  readonly accepted: readonly (number | null)[];
  readonly failed: readonly (number | null)[];
};

/** Returns the bars. One alone gets neighbours of which nothing is known: a chart over time needs a time. */
export function attemptBars(buckets: readonly AttemptsBucket[], lengthMs: number): AttemptBars {
  const times = buckets.map(({ from }) => (from === undefined ? 0 : timestampMs(from)));
  const accepted = buckets.map((bucket) => bucket.accepted);
  const failed = buckets.map((bucket) => bucket.attempts - bucket.accepted);
  const [only, next] = times;
  if (only === undefined || next !== undefined) return { times, accepted, failed };
  return {
    times: [only - lengthMs, only, only + lengthMs],
    accepted: [null, ...accepted, null],
    failed: [null, ...failed, null],
  };
}
