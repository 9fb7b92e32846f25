import { DAY_MS } from "./durations.ts";

/** The limits of a subscription: its rate, and how many attempts may be in flight at once. */
export type Pace = {
  /** Null: no rate limit. */
  readonly rate: Rate | null;
  readonly concurrency: number;
};

export type Rate = {
  /** Attempts per second, on average; at least 0.001. */
  readonly perSecond: number;
  /** Attempts that may start back to back after an idle period; at least 1. */
  readonly burst: number;
};

const US_PER_MS = 1_000;
/**
 * A turn in a year is as good as none. Without an end, ten million retries at the lowest rate would take the
 * line past 2^53, the largest integer that JavaScript counts to: it is at 2^51 in 2041.
 */
const LINE_MAX_US = 365 * DAY_MS * US_PER_MS;

/**
 * A queue of attempts as one number (the generic cell rate algorithm, ITU-T I.371): the time at which the
 * next attempt would be due if all attempts were exactly `1 ÷ perSecond` apart. The burst lets an attempt
 * start earlier than that. Epoch microseconds, because at 1,000 attempts per second the interval is only a
 * millisecond.
 */
export type Line = number & { readonly line: unique symbol };

/** A line without attempts. */
export const EMPTY_LINE = 0 as Line;

/** Returns when the next attempt may start, in epoch milliseconds; a time in the past means now. */
export function nextTurnMs(line: Line, { perSecond, burst }: Rate): number {
  return (line - (burst - 1) * intervalUs(perSecond)) / US_PER_MS;
}

/** Returns when the next attempt after one may start if they start one by one, in milliseconds. */
export function intervalMs({ perSecond }: Rate): number {
  return intervalUs(perSecond) / US_PER_MS;
}

/** Returns how many attempts may start now. */
export function turnsNow(line: Line, rate: Rate, nowMs: number): number {
  return Math.min(rate.burst, turnsUntil(line, rate, nowMs));
}

/** Returns how many more attempts may start up to a time if they start as soon as each may. */
export function turnsUntil(line: Line, rate: Rate, atMs: number): number {
  const room = atMs * US_PER_MS - nextTurnMs(line, rate) * US_PER_MS;
  return room < 0 ? 0 : 1 + Math.floor(room / intervalUs(rate.perSecond));
}

/** Returns the part of a rate that each of two kinds of attempts has while both wait. */
export function halfOfRate({ perSecond, burst }: Rate): Rate {
  return { perSecond: perSecond / 2, burst: Math.ceil(burst / 2) };
}

/** Returns the line after `count` more attempts have taken their turn. */
export function lineAfter(line: Line, rate: Rate, nowMs: number, count = 1): Line {
  return stretched(line, nowMs, (count * intervalUs(rate.perSecond)) / US_PER_MS);
}

/** Returns the line before an attempt took its turn that it could not use. */
export function lineBefore(line: Line, rate: Rate): Line {
  return Math.round(Math.max(EMPTY_LINE, line - intervalUs(rate.perSecond))) as Line;
}

/** Returns the line with one more entry of `byMs` milliseconds. It ends at most a year from now. */
export function stretched(line: Line, nowMs: number, byMs: number): Line {
  const nowUs = nowMs * US_PER_MS;
  return Math.round(Math.min(Math.max(line, nowUs) + byMs * US_PER_MS, nowUs + LINE_MAX_US)) as Line;
}

/** Returns the line that ends later. */
export function laterOf(one: Line, other: Line): Line {
  return one < other ? other : one;
}

/** Returns the end of the line, in epoch milliseconds. */
export function endMs(line: Line): number {
  return line / US_PER_MS;
}

function intervalUs(perSecond: number): number {
  return (1_000 * US_PER_MS) / perSecond;
}
