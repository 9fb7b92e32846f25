import type { FaultWindow } from "../world.ts";
import type { Facts } from "./facts.ts";

/**
 * How long a fault is felt after its end: a workflow task that a killed worker had is handed out again after
 * 10 s, and a lease of these runs ends after 2 s.
 */
export const FELT_FOR_MS = 10_000;

/** A time in which faults are felt. */
export type Felt = { readonly from: number; readonly until: number };

/**
 * Returns the times in which the faults that hit deliveries are felt, in order and apart from each other.
 *
 * @param feltForMs how long each is felt after its end. Default: {@link FELT_FOR_MS}
 */
export function timesOfFaults({ faults }: Pick<Facts, "faults">, feltForMs = FELT_FOR_MS): Felt[] {
  const sorted = faults
    .filter(isHit)
    .map(({ from, until }) => ({ from, until: until + feltForMs }))
    .sort((one, other) => one.from - other.from);
  const times: { from: number; until: number }[] = [];
  for (const time of sorted) {
    const last = times.at(-1);
    if (last !== undefined && time.from <= last.until) last.until = Math.max(last.until, time.until);
    else times.push(time);
  }
  return times;
}

/** An accepted event needs no API any more, and every other process or disk that fails is in its way. */
function isHit({ target }: FaultWindow): boolean {
  return !target.startsWith("api");
}

/** Returns whether a fault is felt at any moment from one time to another, both included. */
export function isFelt(times: readonly Felt[], from: number, until: number): boolean {
  return times.some((time) => time.from <= until && from <= time.until);
}

/** Returns for how long faults are felt between two times, in milliseconds. */
export function feltMs(times: readonly Felt[], from: number, until: number): number {
  return times.reduce(
    (all, time) => all + Math.max(0, Math.min(until, time.until) - Math.max(from, time.from)),
    0,
  );
}
