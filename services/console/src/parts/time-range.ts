import { DAY_MS, HOUR_MS } from "./durations.ts";

/* A choice of a time range, as a list's address holds it. */

/** No limit. */
export const ANY_TIME = "all";

export const SINCES = [
  { id: "all", name: "Any time" },
  { id: "15m", name: "Last 15 minutes" },
  { id: "1h", name: "Last hour" },
  { id: "24h", name: "Last 24 hours" },
  { id: "7d", name: "Last 7 days" },
  { id: "range", name: "Custom range" },
] as const;
/** An id of `SINCES` except `range`, or a range: see `sinceOf`. */
export type Since = string;
/** In epoch milliseconds. Undefined: no limit. */
export type Range = { readonly from: number | undefined; readonly before: number | undefined };

const LENGTHS_MS: Readonly<Record<string, number>> = {
  "15m": 900_000,
  "1h": HOUR_MS,
  "24h": DAY_MS,
  "7d": 7 * DAY_MS,
};
const BETWEEN = "~";

/** Writes a range as two instants in UTC, so that it means the same in every time zone. */
export function sinceOf({ from, before }: Range): Since {
  return [from, before].map((at) => (at === undefined ? "" : new Date(at).toISOString())).join(BETWEEN);
}

/**
 * Reads a range. A time without a zone is in the reader's: earlier releases wrote such.
 *
 * @returns undefined: `since` is no range
 */
export function rangeOf(since: Since): Range | undefined {
  if (!since.includes(BETWEEN)) return undefined;
  const [from = "", before = ""] = since.split(BETWEEN);
  return { from: parsed(from), before: parsed(before) };
}

/** Reads an instant, or the value of a `datetime-local` field in the reader's zone. Undefined: it is none. */
export function parsed(text: string): number | undefined {
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : at;
}

/**
 * Returns the times of a choice.
 *
 * @param now when a length of time ends
 */
export function timesOf(since: Since, now: number): Partial<Range> {
  const length = LENGTHS_MS[since];
  return length === undefined ? (rangeOf(since) ?? {}) : { from: now - length };
}

/** Reads a choice from an address. What it says in the form of an earlier release is written anew. */
export function readSince(params: URLSearchParams): Since {
  const since = params.get("since") ?? ANY_TIME;
  const range = rangeOf(since);
  return range === undefined ? since : sinceOf(range);
}
