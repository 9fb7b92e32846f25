import { type Figure, ingest, openRoom, QUICK_SIZES } from "@posthaste/bench";
import { expect, onTestFinished, test } from "vitest";

/** Some seconds, but on a machine that does much else. */
const PATIENCE_MS = 120_000;
/** Enough to see that everything is there and counts; the figures say nothing. */
const TINY = { ...QUICK_SIZES, seconds: 0.5, yardstickSeconds: 0.3 };

test("a scenario measures every way beside its yardsticks, with what each process used", {
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
  // What was counted was accepted, and more was accepted to warm up.
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
