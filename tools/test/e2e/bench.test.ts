import { type Figure, ingest, openRoom, QUICK_SIZES } from "@posthaste/bench";
import { expect, onTestFinished, test } from "vitest";

/** The test takes a few seconds; the limit is for a busy machine. */
const PATIENCE_MS = 120_000;
/** Enough to see that every measurement works; the figures themselves mean nothing. */
const TINY = { ...QUICK_SIZES, seconds: 0.5, yardstickSeconds: 0.3 };

test("a scenario measures every figure with its yardsticks and the CPU time of each process", {
  timeout: PATIENCE_MS,
}, async () => {
  const room = await openRoom({
    database: "sqlite",
    lane: "workflow",
    yardstickSeconds: TINY.yardstickSeconds,
  });
  onTestFinished(() => room.close());
  const figures: Figure[] = [];
  for await (const figure of ingest.run(room, TINY, () => {})) figures.push(figure);
  const measured = figures.filter(({ values }) => values.length > 0);
  expect(measured).toHaveLength(5);
  for (const figure of measured) {
    expect(figure).toMatchObject({ scenario: "ingest", database: "sqlite", lane: null, item: "event" });
    expect(figure.values[0]).toBeGreaterThan(1);
    expect(figure.yardsticks.map(({ ratio }) => ratio > 0)).not.toContain(false);
  }
  for (const { latency } of measured) expect(latency?.samples).toBeGreaterThan(0);
  const { events } = await room.stack.store.db
    .selectFrom("events")
    .select((eb) => eb.fn.countAll().as("events"))
    .executeTakeFirstOrThrow();
  // Every counted event was accepted, and the warm-up's events were accepted in addition.
  expect(Number(events)).toBeGreaterThan(
    measured.reduce((sum, { latency }) => sum + (latency?.samples ?? 0), 0),
  );
  expect(Object.keys(measured[0]?.cpuMs ?? {})).toEqual([
    "api",
    "worker",
    "temporal",
    "receiver",
    "generator",
  ]);
});
