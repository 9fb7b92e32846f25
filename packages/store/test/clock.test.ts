import { createTestStore, type TestStore } from "@posthaste/testkit";
import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  type Clock,
  claimDeliveries,
  closeStore,
  openStore,
  SKEW_MAX_MS,
  type Store,
  startClock,
} from "../src/index.ts";
import { benchOn } from "./fixture.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const quiet = { warn: () => {}, info: () => {} };

let bench: TestStore;
const clocks: Clock[] = [];
afterEach(async () => {
  for (const clock of clocks.splice(0)) await clock.stop();
  await bench.dispose();
});

/** Starts a clock on a machine whose own clock is ahead of the real time. */
async function clockOn(store: Store, { aheadMs }: { aheadMs: number }): Promise<Clock> {
  const clock = await startClock(store, { log: quiet, wall: () => Date.now() + aheadMs });
  clocks.push(clock);
  return clock;
}

describe("the clock of an installation on MySQL", () => {
  beforeEach(async () => {
    bench = await createTestStore("mysql");
  });

  test.each([2 * HOUR_MS, -10 * 60_000])(
    "is the server's on a machine that is %i ms ahead",
    async (aheadMs) => {
      const before = Date.now();
      const clock = await clockOn(bench.store, { aheadMs });
      // The test's server runs on this machine.
      expect(clock.now()).toBeGreaterThanOrEqual(before - 1);
      expect(clock.now()).toBeLessThan(Date.now() + SKEW_MAX_MS);
      expect(Math.abs(clock.aheadMs() - aheadMs)).toBeLessThan(SKEW_MAX_MS);
    },
  );

  test("does not depend on the time zone of a session", async () => {
    // One connection, so that the reading has the session of the first statement.
    const store = await openStore({ url: bench.url, poolSize: 1 });
    await sql`set session time_zone = '-07:00'`.execute(store.db);
    const clock = await clockOn(store, { aheadMs: 0 });
    expect(Math.abs(clock.aheadMs())).toBeLessThan(SKEW_MAX_MS);
    await clock.stop();
    await closeStore(store);
  });

  test.each([60_000, -60_000])(
    "lets no worker claim what another holds, though their machines are %i ms apart",
    async (aheadMs) => {
      const { subscribe, ingest } = await benchOn(bench);
      await subscribe();
      for (let i = 0; i < 10; i++) await ingest();
      const claimBy = async (owner: string, { now }: Clock) =>
        await claimDeliveries(bench.store, {
          owner,
          limit: 100,
          inFlightMax: 32,
          leaseMs: 30_000,
          now: () => now(),
        });
      const first = await claimBy("first", await clockOn(bench.store, { aheadMs: 0 }));
      const second = await claimBy("second", await clockOn(bench.store, { aheadMs }));
      expect([first.length, second.length]).toEqual([10, 0]);
    },
  );

  test("reports a skew once when it begins and once when it ends", async () => {
    const lines: string[] = [];
    let aheadMs = 0;
    const changed = () =>
      new Promise<void>((resolve) => {
        onLine = resolve;
      });
    let onLine = () => {};
    const line = (event: string) => {
      lines.push(event);
      onLine();
    };
    const clock = await startClock(bench.store, {
      log: { warn: line, info: line },
      wall: () => Date.now() + aheadMs,
      everyMs: 1,
    });
    clocks.push(clock);
    for (const next of [5_000, 0, -5_000]) {
      const reported = changed();
      aheadMs = next;
      await reported;
    }
    expect(lines).toEqual(["clock.skewed", "clock.in_step", "clock.skewed"]);
  });

  test("goes on from its last reading while the database is away", async () => {
    const clock = await startClock(bench.store, { log: quiet, everyMs: 1 });
    clocks.push(clock);
    const before = clock.now();
    await bench.store.seam.close();
    expect(clock.now()).toBeGreaterThanOrEqual(before);
    expect(Math.abs(clock.aheadMs())).toBeLessThan(SKEW_MAX_MS);
  });

  /** Starts a clock that reads the database's only when it must, on a machine that can be suspended. */
  async function steppedClock() {
    const machine = { suspendedMs: 0, setMs: 0 };
    let onReading = () => {};
    const { readClock } = bench.store.seam;
    if (readClock === null) throw new Error("MySQL has a clock");
    const seam = {
      ...bench.store.seam,
      readClock: async () => {
        onReading();
        const reading = await readClock();
        return { ...reading, databaseMs: reading.databaseMs + machine.suspendedMs };
      },
    };
    const clock = await startClock(
      { ...bench.store, seam },
      {
        log: quiet,
        wall: () => Date.now() + machine.suspendedMs + machine.setMs,
        uptimeMs: () => performance.now() + machine.suspendedMs,
        everyMs: HOUR_MS,
      },
    );
    clocks.push(clock);
    const nextReading = () =>
      new Promise<void>((resolve) => {
        onReading = resolve;
      });
    return { clock, machine, nextReading };
  }

  test("adds a suspension of its machine at once, and reads the database's clock again", async () => {
    const { clock, machine, nextReading } = await steppedClock();
    const read = nextReading();
    machine.suspendedMs = MINUTE_MS;
    expect(Math.abs(clock.now() - Date.now() - MINUTE_MS)).toBeLessThan(SKEW_MAX_MS);
    await read;
    await clock.stop();
    expect(Math.abs(clock.now() - Date.now() - MINUTE_MS)).toBeLessThan(SKEW_MAX_MS);
  });

  test("gives a machine that was suspended no delivery that another has claimed since", async () => {
    const { subscribe, ingest } = await benchOn(bench);
    await subscribe();
    await ingest({ now: Date.now() });
    const { clock, machine } = await steppedClock();
    const lease = { limit: 10, inFlightMax: 10, leaseMs: 30_000 };
    machine.suspendedMs = MINUTE_MS;
    const late = await claimDeliveries(bench.store, { ...lease, owner: "suspended", now: () => clock.now() });
    const now = Date.now() + MINUTE_MS;
    const other = await claimDeliveries(bench.store, { ...lease, owner: "other", now: () => now });
    expect([late.length, other.length]).toEqual([1, 0]);
  });

  test.each([MINUTE_MS, -MINUTE_MS])(
    "stays the server's while its machine's time is set by %i ms, and reads it again",
    async (setMs) => {
      const { clock, machine, nextReading } = await steppedClock();
      const read = nextReading();
      machine.setMs = setMs;
      expect(Math.abs(clock.now() - Date.now())).toBeLessThan(SKEW_MAX_MS);
      await read;
      await clock.stop();
      expect(Math.abs(clock.aheadMs() - setMs)).toBeLessThan(SKEW_MAX_MS);
    },
  );

  test("follows a server that has another time after a failover", async () => {
    let serverAheadMs = 0;
    const { readClock } = bench.store.seam;
    if (readClock === null) throw new Error("MySQL has a clock");
    const seam = {
      ...bench.store.seam,
      readClock: async () => {
        const reading = await readClock();
        return { ...reading, databaseMs: reading.databaseMs + serverAheadMs };
      },
    };
    let onSkew = () => {};
    const skewed = new Promise<void>((resolve) => {
      onSkew = resolve;
    });
    const log = { warn: () => onSkew(), info: () => {} };
    const clock = await startClock({ ...bench.store, seam }, { log, everyMs: 1 });
    clocks.push(clock);
    serverAheadMs = HOUR_MS;
    await skewed;
    expect(Math.abs(clock.now() - Date.now() - HOUR_MS)).toBeLessThan(SKEW_MAX_MS);
  });
});

test("the clock of an installation on SQLite is its machine's", async () => {
  bench = await createTestStore("sqlite");
  const clock = await clockOn(bench.store, { aheadMs: HOUR_MS });
  expect(clock.now()).toBeGreaterThan(Date.now() + HOUR_MS / 2);
  expect(clock.aheadMs()).toBe(0);
});
