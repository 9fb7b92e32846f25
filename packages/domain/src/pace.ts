/** How fast a subscription may be sent to: its owner's rate, and how many attempts may be under way at once. */
export type Pace = {
  /** Null: no rate. */
  readonly rate: Rate | null;
  readonly concurrency: number;
};

export type Rate = {
  /** Attempts in a second on the long run; a thousandth at least. */
  readonly perSecond: number;
  /** Attempts that may follow each other at once after a rest; 1 at least. */
  readonly burst: number;
};

const US_PER_MS = 1_000;

/**
 * A line that attempts stand in (the generic cell rate algorithm, ITU-T I.371): it holds when the next one would be due
 * if all came exactly `1 ÷ perSecond` apart; one may go ahead of that by what the burst allows. In microseconds, since
 * a thousand a second are a millisecond apart.
 */
export type Line = number & { readonly line: unique symbol };

/** A line that nobody stands in. */
export const EMPTY_LINE = 0 as Line;

/** When the next in line may go, in epoch milliseconds; a time that has passed means at once. */
export function nextTurnMs(line: Line, { perSecond, burst }: Rate): number {
  return (line - (burst - 1) * intervalUs(perSecond)) / US_PER_MS;
}

/** How many may go now. */
export function turnsNow(line: Line, rate: Rate, nowMs: number): number {
  const room = nowMs * US_PER_MS - nextTurnMs(line, rate) * US_PER_MS;
  return room < 0 ? 0 : Math.min(rate.burst, 1 + Math.floor(room / intervalUs(rate.perSecond)));
}

/** The line after `count` more have taken their turn. */
export function lineAfter(line: Line, rate: Rate, nowMs: number, count = 1): Line {
  return stretched(line, nowMs, (count * intervalUs(rate.perSecond)) / US_PER_MS);
}

/** The line with one more in it that takes so long. */
export function stretched(line: Line, nowMs: number, byMs: number): Line {
  return Math.round(Math.max(line, nowMs * US_PER_MS) + byMs * US_PER_MS) as Line;
}

/** The line's end as epoch milliseconds. */
export function endMs(line: Line): number {
  return line / US_PER_MS;
}

function intervalUs(perSecond: number): number {
  return (1_000 * US_PER_MS) / perSecond;
}
