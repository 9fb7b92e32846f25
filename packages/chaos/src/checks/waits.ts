import type { FaultWindow } from "../world.ts";
import { type Check, type Facts, groupBy } from "./facts.ts";

/** How long the deliveries of the well-behaved account waited for their first attempt. */
export type Waits = {
  /** The longest time from when a delivery was due until it arrived, in milliseconds. */
  readonly longestMs: number;
  /** The same without the times of faults that hit it: see {@link isHit}. */
  readonly besideFaultsMs: number;
  /** The delivery that waited longest beside faults. */
  readonly deliveryId: string | undefined;
};

/**
 * How long a fault is felt after its end: a workflow task that a killed worker had is handed out again after
 * 10 s, and a lease of these runs ends after 2 s.
 */
const FELT_FOR_MS = 10_000;
/**
 * Nobody may stand still for longer without a fault. Three thousand deliveries of another account take longer
 * on two cores: a delivery that waits behind them is found.
 */
const STANDSTILL_MS = 15_000;

export function waitsOf(facts: Facts): Waits {
  const seenOf = groupBy(facts.seen, ({ deliveryId }) => deliveryId);
  const windows = union(facts.faults.filter(isHit));
  let waits: Waits = { longestMs: 0, besideFaultsMs: 0, deliveryId: undefined };
  for (const row of facts.deliveries) {
    if (row.account_id !== facts.accountIds.good) continue;
    const arrivedAt = (seenOf.get(row.id) ?? []).map(({ request }) => request.receivedAt);
    // One that never arrived is lost, and found as such.
    const sentAt = Math.min(...(arrivedAt.length === 0 ? [facts.now] : arrivedAt));
    const longestMs = Math.max(waits.longestMs, sentAt - row.created_at);
    const besideMs = sentAt - row.created_at - overlap(windows, row.created_at, sentAt);
    waits =
      besideMs > waits.besideFaultsMs
        ? { longestMs, besideFaultsMs: besideMs, deliveryId: row.id }
        : { ...waits, longestMs };
  }
  return waits;
}

/** The well-behaved account does not stand still, whatever the hostile one does. */
export const nobodyStandsStill: Check = (facts) => {
  const { besideFaultsMs: ms, deliveryId } = waitsOf(facts);
  if (ms <= STANDSTILL_MS) return [];
  return [
    `${deliveryId} of the well-behaved account waited ${ms} ms beside faults: see dispatcher and shares`,
  ];
};

/** An accepted event needs no API any more, and every other process or disk that fails is in its way. */
function isHit({ target }: FaultWindow): boolean {
  return !target.startsWith("api");
}

type Window = { readonly from: number; readonly until: number };

function union(faults: readonly FaultWindow[]): Window[] {
  const sorted = faults
    .map(({ from, until }) => ({ from, until: until + FELT_FOR_MS }))
    .sort((one, other) => one.from - other.from);
  const windows: { from: number; until: number }[] = [];
  for (const window of sorted) {
    const last = windows.at(-1);
    if (last !== undefined && window.from <= last.until) last.until = Math.max(last.until, window.until);
    else windows.push(window);
  }
  return windows;
}

function overlap(windows: readonly Window[], from: number, until: number): number {
  return windows.reduce(
    (all, window) => all + Math.max(0, Math.min(until, window.until) - Math.max(from, window.from)),
    0,
  );
}
