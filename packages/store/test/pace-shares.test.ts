import type { Rate } from "@posthaste/domain";
import { expect, test } from "vitest";
import { onEachDatabase } from "./fixture.ts";
import { BEGIN_MS, type Load, QUICK_WORKERS, type Sent, sendAll, WORKERS } from "./pace-model.ts";

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

/** Retries of an outage beside first attempts that arrive later, or one by one. */
const OUTAGE = { concurrency: 4, holdMs: 500, retries: 20, everyMs: 0 };
const LATER = { ...OUTAGE, firsts: 40, firstsFromMs: 12_000 };
const RANDOM = { ...OUTAGE, firsts: 90, firstsEveryMs: 12_000 };
const SLOW_RATES: readonly [title: string, load: Load, seconds: number][] = [
  ["that arrive later", { ...LATER, rate: { perSecond: 0.1, burst: 1 } }, 600],
  ["that arrive at random", { ...RANDOM, rate: { perSecond: 0.1, burst: 1 } }, 1_000],
  ["at a rate with a burst", { ...RANDOM, rate: { perSecond: 0.1, burst: 4 } }, 1_000],
];

/** Retries of an outage that have just come due, beside a steady flow of first attempts. */
const FEW: readonly [title: string, Omit<Load, "rate" | "everyMs" | "firsts">][] = [
  ["8 for 4 places", { concurrency: 4, holdMs: 1_000, retries: 8, lateMs: 200 }],
  [
    "8 for 4 places, run as late as an attempt takes",
    { concurrency: 4, holdMs: 1_000, retries: 8, lateMs: 1_000 },
  ],
  ["16 for 8 places", { concurrency: 8, holdMs: 1_000, retries: 16, lateMs: 500 }],
  ["4 for a single place", { concurrency: 1, holdMs: 1_000, retries: 4, lateMs: 200 }],
  ["2 for a single slow place", { concurrency: 1, holdMs: 2_000, retries: 2, lateMs: 0 }],
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

  test.for(SLOW_RATES)("lets retries through beside first attempts: %s", async ([, load, seconds]) => {
    const [sent] = (await sendAll(bench(), [load], seconds)) as [Sent];
    const { firsts, retries } = sent;
    expect(retries).toHaveLength(load.retries);
    expect((firsts.length + retries.length) / capacityOf(load, seconds)).toBeGreaterThan(0.8);
    expect(exceeding(load.rate, sent)).toEqual([]);
  });

  test("lets retries that come late all at once ask a few times only", async () => {
    const rate = { perSecond: 0.5, burst: 1 };
    // By then, a third of them stand in line.
    const late = { ...RARE, rate, everyMs: 0, firsts: 180, awayMs: { from: 100_000, until: 220_000 } };
    const [sent] = (await sendAll(bench(), [late], 300)) as [Sent];
    expect(sent.asks).toBeLessThan(3 * late.retries);
    expect((sent.firsts.length + sent.retries.length) / capacityOf(late, 300)).toBeGreaterThan(0.8);
  });

  test("is given back by first attempts that lose their place to a retry", async () => {
    const rate = { perSecond: 0.1, burst: 1 };
    const load = { ...RARE, rate, retries: 20, everyMs: 30_000 };
    const [sent] = (await sendAll(bench(), [load], 600, WORKERS)) as [Sent];
    expect(sent.retries).toHaveLength(20);
    expect(sent.firsts.length + sent.retries.length).toBeGreaterThan(45);
  });

  test.for(FEW)("is left to a few retries by a flow of first attempts: %s", async ([, few]) => {
    const load = { ...few, rate: null, everyMs: 0, retriesFromMs: 6_000, firsts: 30 * few.concurrency };
    const [{ firsts, retries }] = (await sendAll(bench(), [load], 25, QUICK_WORKERS)) as [Sent];
    expect(retries).toHaveLength(load.retries);
    const meanwhile = firsts.filter((ms) => ms >= load.retriesFromMs && ms < Math.max(...retries));
    expect(meanwhile.length).toBeLessThan(2 * load.retries + load.concurrency);
  });

  test("is all had by first attempts as soon as the retries are cancelled", async () => {
    const rate = { perSecond: 1, burst: 1 };
    const load = { ...OUTAGE, rate, retries: 60, firsts: 60, cancelAtMs: 20_000 };
    const [{ firsts }] = (await sendAll(bench(), [load], 60)) as [Sent];
    expect(firsts.filter((ms) => ms > load.cancelAtMs).length).toBeGreaterThan(35);
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
  expect(exceeding(load.rate, sent)).toEqual([]);
}

/** Returns how many attempts can be sent, by the rate and by the places. */
function capacityOf({ rate, concurrency, holdMs }: Omit<Load, "firsts">, seconds: number): number {
  const perSecond = Math.min(rate?.perSecond ?? Number.POSITIVE_INFINITY, (concurrency * 1_000) / holdMs);
  return perSecond * (seconds - BEGIN_MS / 1_000);
}

/** Returns the stretches of time in which more was sent than the burst and what the rate allows. */
function exceeding(rate: Rate | null, { firsts, retries }: Sent): { from: number; to: number }[] {
  if (rate === null) return [];
  const { perSecond, burst } = rate;
  const times = [...firsts, ...retries].sort((a, b) => a - b);
  const allowed = (ms: number) => burst + (ms * perSecond) / 1_000;
  // A time is rounded to a millisecond.
  return times.flatMap((from, i) =>
    times.slice(i).flatMap((to, n) => (n + 1 > allowed(to - from + 1) ? [{ from, to }] : [])),
  );
}
