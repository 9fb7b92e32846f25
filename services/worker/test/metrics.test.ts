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

test("are told while the database is away, but for what is counted in it", async () => {
  let database: "ok" | "away" = "ok";
  const metrics = createWorkerMetrics(createMetrics(), {
    store: bench.store,
    now: () => now,
    checkReady: async () => ({ database, temporal: "ok" }),
    temporalMetrics: async () => "",
  });
  const before = await metrics.render();
  expect(before).toMatch(/^posthaste_backlog_deliveries\{state="pending"\} 0$/m);
  expect(before).toMatch(/^posthaste_backlog_age_seconds 0$/m);
  await closeStore(bench.store);
  database = "away";
  now += 5_000;
  const text = await metrics.render();
  expect(text).toMatch(/^posthaste_dependency_up\{dependency="database"\} 0$/m);
  expect(text).toMatch(/^posthaste_dependency_up\{dependency="temporal"\} 1$/m);
  expect(text).not.toMatch(/^posthaste_backlog_/m);
});

test("measure the backlog once for all who ask meanwhile, however long it takes", async () => {
  let asked = 0;
  let letGo = () => {};
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  // The database's only connection is in use until the test says otherwise.
  const holding = bench.store.db.connection().execute(async () => await held);
  const store = {
    ...bench.store,
    get db() {
      asked += 1;
      return bench.store.db;
    },
  };
  const metrics = createWorkerMetrics(createMetrics(), {
    store,
    now: () => now,
    checkReady: async () => ({ database: "ok" }),
    temporalMetrics: async () => "",
  });
  const scrapes = [metrics.render()];
  const once = asked;
  for (let i = 0; i < 3; i++) {
    now += 60_000;
    scrapes.push(metrics.render());
  }
  expect(asked).toBe(once);
  expect(once).toBeGreaterThan(0);
  letGo();
  await holding;
  for (const text of await Promise.all(scrapes)) expect(text).toMatch(/^posthaste_backlog_age_seconds 0$/m);
});
