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
