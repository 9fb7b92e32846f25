import { createMetrics } from "@posthaste/runtime";
import { closeStore } from "@posthaste/store";
import { createTestStore, type TestStore } from "@posthaste/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createWorkerMetrics } from "../src/metrics.ts";

let bench: TestStore;
let now: number;
beforeEach(async () => {
  bench = await createTestStore("sqlite");
  now = Date.now();
});
afterEach(() => bench.dispose());

test("metrics are served during a database outage, except the backlog", async () => {
  let database: string | undefined;
  const metrics = createWorkerMetrics(createMetrics(), {
    store: bench.store,
    inFlightMax: 10,
    clock: { now: () => now, aheadMs: () => -1_500, stop: async () => {} },
    whyAway: async () => ({ database, temporal: undefined }),
    temporalMetrics: async () => "",
  });
  const before = await metrics.render();
  expect(before).toMatch(/^posthaste_backlog_deliveries\{state="pending"\} 0$/m);
  expect(before).toMatch(/^posthaste_backlog_age_seconds 0$/m);
  expect(before).toMatch(/^posthaste_backlog_upkeep\{work="fan_out"\} 0$/m);
  expect(before).toMatch(/^posthaste_clock_ahead_seconds -1.5$/m);
  await closeStore(bench.store);
  database = "silent";
  now += 5_000;
  const text = await metrics.render();
  expect(text).toMatch(/^posthaste_dependency_up\{dependency="database"\} 0$/m);
  expect(text).toMatch(/^posthaste_dependency_up\{dependency="temporal"\} 1$/m);
  expect(text).not.toMatch(/^posthaste_backlog_/m);
});

test("counters begin at 0 for every value of their labels, so that an alert sees what happens first", async () => {
  const { observer, render } = createWorkerMetrics(createMetrics(), {
    store: bench.store,
    inFlightMax: 10,
    clock: { now: () => now, aheadMs: () => 0, stop: async () => {} },
    whyAway: async () => ({ database: undefined, temporal: undefined }),
    temporalMetrics: async () => "",
  });
  const counters = async () =>
    (await render()).split("\n").filter((line) => /^posthaste_\w+_total[ {]/.test(line));
  const before = await counters();
  expect(before).toContain('posthaste_deliveries_given_up_total{reason="unrecorded"} 0');
  expect(before).toContain('posthaste_rows_set_aside_total{work="claim"} 0');
  expect(before.filter((line) => !line.endsWith(" 0"))).toEqual([]);
  observer.attempted({ outcome: "accepted", durationMs: 1, state: "succeeded" });
  observer.faulted();
  observer.gaveUp("orphaned");
  observer.waited();
  observer.handedOutEarly();
  observer.deleted("events", 1);
  observer.started(1);
  observer.setAside("drain");
  observer.rowsSetAside("lease", 1);
  observer.reconciled("cancelled");
  observer.loopFailed("upkeep");
  observer.disconnected();
  const after = await counters();
  expect(after).toHaveLength(before.length);
  expect(after.filter((line) => line.endsWith(" 1"))).toHaveLength(13);
});

test("scrapes during a slow measurement of the backlog share its result", async () => {
  let queries = 0;
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  // Occupies the database's only connection until `release`.
  const holding = bench.store.db.connection().execute(async () => await released);
  const store = {
    ...bench.store,
    get db() {
      queries += 1;
      return bench.store.db;
    },
  };
  const metrics = createWorkerMetrics(createMetrics(), {
    store,
    inFlightMax: 10,
    clock: { now: () => now, aheadMs: () => -1_500, stop: async () => {} },
    whyAway: async () => ({ database: undefined, temporal: undefined }),
    temporalMetrics: async () => "",
  });
  const scrapes = [metrics.render()];
  const queriesOfOne = queries;
  for (let i = 0; i < 3; i++) {
    now += 60_000;
    scrapes.push(metrics.render());
  }
  expect(queries).toBe(queriesOfOne);
  expect(queriesOfOne).toBeGreaterThan(0);
  release();
  await holding;
  for (const text of await Promise.all(scrapes)) expect(text).toMatch(/^posthaste_backlog_age_seconds 0$/m);
});
