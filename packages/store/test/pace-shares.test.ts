import type { Rate } from "@posthaste/domain";
import { expect, test } from "vitest";
import { onEachDatabase } from "./fixture.ts";
import { BEGIN_MS, type Load, type Sent, sendAll } from "./pace-model.ts";

/*
 * How the retries and the first attempts of a subscription share what may be sent, over a minute or more.
 */

/** A new retry is due twice a second, and new events wait all the time. */
const BUSY = { concurrency: 4, holdMs: 2_000, retries: 240, everyMs: 500, firsts: 80 };
const SINGLE = { ...BUSY, concurrency: 1 };
/** As many retries as the rate allows, and each turn is far from the next. */
const RARE = { ...BUSY, holdMs: 500, retries: 60, everyMs: 10_000 };
/** All retries of an outage at once. */
const AT_ONCE = { concurrency: 32, holdMs: 100, retries: 240, everyMs: 0, firsts: 240 };

const SHARED: readonly [title: string, load: Load, seconds: number][] = [
  ["without a rate", { ...BUSY, rate: null }, 60],
  ["if the receiver is slower than the rate", { ...BUSY, rate: { perSecond: 20, burst: 1 } }, 60],
  ["if the receiver is slower than the burst", { ...BUSY, rate: { perSecond: 20, burst: 20 } }, 60],
  ["at a rate", { ...BUSY, holdMs: 500, rate: { perSecond: 2, burst: 1 } }, 60],
  ["at a rate with a burst", { ...BUSY, holdMs: 500, rate: { perSecond: 2, burst: 5 } }, 60],
  ["at six a minute", { ...RARE, rate: { perSecond: 0.1, burst: 1 } }, 600],
  ["if all retries are due at once", { ...AT_ONCE, rate: { perSecond: 10, burst: 5 } }, 30],
  ["one at a time", { ...SINGLE, holdMs: 500, rate: null }, 60],
  ["one slow one at a time", { ...SINGLE, rate: null }, 120],
  ["one slow one at a time at a rate", { ...SINGLE, rate: { perSecond: 20, burst: 5 } }, 120],
];

const ALONE: readonly [title: string, load: Omit<Load, "firsts" | "retries">][] = [
  ["at a rate", { ...BUSY, holdMs: 500, rate: { perSecond: 2, burst: 1 } }],
  ["one at a time", { ...SINGLE, rate: null }],
  ["one at a time at a rate", { ...SINGLE, rate: { perSecond: 10, burst: 5 } }],
  ["four at a time", { ...BUSY, rate: null }],
];

onEachDatabase("what a subscription may send", (bench) => {
  test.for(SHARED)("is shared by retries and first attempts that wait: %s", async ([, load, seconds]) => {
    const [sent] = (await sendAll(bench(), [load], seconds)) as [Sent];
    expectHalves(sent, load, seconds);
  });

  test.for(ALONE)("is all had by retries alone: %s", async ([, load]) => {
    const alone = { ...load, retries: 240, everyMs: 0, firsts: 0 };
    const [{ retries }] = (await sendAll(bench(), [alone], 60)) as [Sent];
    expect(retries.length / capacityOf(alone, 60)).toBeGreaterThan(0.8);
  });

  test.for(ALONE)("is all had by first attempts alone: %s", async ([, load]) => {
    const alone = { ...load, retries: 0, firsts: 150 };
    const [{ firsts, inVain }] = (await sendAll(bench(), [alone], 60)) as [Sent];
    expect(firsts.length / capacityOf(alone, 60)).toBeGreaterThan(0.8);
    expect(inVain).toBe(0);
  });

  test("does not depend on the retries of another account", async () => {
    const busy: Load = { ...BUSY, holdMs: 500, rate: { perSecond: 2, burst: 1 } };
    const healthy: Load = { ...busy, rate: { perSecond: 3, burst: 2 }, retries: 0, firsts: 120 };
    const [ofBusy, ofHealthy] = (await sendAll(bench(), [busy, healthy], 30)) as [Sent, Sent];
    expectHalves(ofBusy, busy, 30);
    expect(ofHealthy.firsts.length / capacityOf(healthy, 30)).toBeGreaterThan(0.95);
    expect(ofHealthy.inVain).toBe(0);
  });
});

/** Expects that little of what may be sent is lost, and that each kind has at least three eighths of it. */
function expectHalves(sent: Sent, load: Load, seconds: number): void {
  const { firsts, retries, inVain } = sent;
  const total = firsts.length + retries.length;
  expect(total / capacityOf(load, seconds)).toBeGreaterThan(0.8);
  expect(firsts.length / total).toBeGreaterThan(3 / 8);
  expect(retries.length / total).toBeGreaterThan(3 / 8);
  expect(inVain).toBeLessThan(3);
  if (load.rate !== null) expect(exceeding(load.rate, sent)).toEqual([]);
}

/** Returns how many attempts can be sent, by the rate and by the places. */
function capacityOf({ rate, concurrency, holdMs }: Omit<Load, "firsts">, seconds: number): number {
  const perSecond = Math.min(rate?.perSecond ?? Number.POSITIVE_INFINITY, (concurrency * 1_000) / holdMs);
  return perSecond * (seconds - BEGIN_MS / 1_000);
}

/** Returns the stretches of time in which more was sent than the burst and what the rate allows. */
function exceeding({ perSecond, burst }: Rate, { firsts, retries }: Sent): { from: number; to: number }[] {
  const times = [...firsts, ...retries].sort((a, b) => a - b);
  const allowed = (ms: number) => burst + (ms * perSecond) / 1_000;
  // A time is rounded to a millisecond.
  return times.flatMap((from, i) =>
    times.slice(i).flatMap((to, n) => (n + 1 > allowed(to - from + 1) ? [{ from, to }] : [])),
  );
}
