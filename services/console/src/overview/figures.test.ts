import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type AccountBacklogSchema, GetStatisticsResponseSchema } from "@posthaste/contracts/statistics";
import { expect, test } from "vitest";
import { FIGURE_NAMES, figuresOf } from "./figures.ts";

const NOW = Date.UTC(2026, 10, 28);

function figures(total: Record<string, bigint>, backlog: MessageInitShape<typeof AccountBacklogSchema> = {}) {
  return figuresOf(create(GetStatisticsResponseSchema, { total, backlog }), false, NOW);
}

test("while nothing is known, no figure says that there is nothing", () => {
  const loading = figuresOf(undefined, false, NOW);
  const failed = figuresOf(undefined, true, NOW);
  for (const name of FIGURE_NAMES) {
    expect(loading[name]).toEqual({ value: "…", about: "loading" });
    expect(failed[name]).toEqual({ value: "–", about: "not known" });
  }
});

test("each count says what it counts: those that ended need not be those that were created", () => {
  const { Events, Succeeded } = figures({ events: 205n, deliveries: 309n, succeeded: 229n, failed: 1n });
  expect(Events).toEqual({ value: "205", about: "with a subscriber; 309 deliveries created" });
  expect(Succeeded).toEqual({ value: "229", about: "deliveries, whenever created; 1 failed for good" });
});

test("the success rate is one of attempts, and bad below 90%", () => {
  expect(figures({ attempts: 2_000n, accepted: 1_999n })["Success rate"]).toEqual({
    value: "99.9%",
    about: "of 2,000 attempts",
    isBad: false,
  });
  expect(figures({ attempts: 10n, accepted: 8n })["Success rate"].isBad).toBe(true);
  expect(figures({})["Success rate"]).toEqual({ value: "–", about: "no attempts" });
});

test("the backlog is the sum of its parts", () => {
  const oldestPendingAt = timestampFromMs(NOW - 180_000);
  expect(figures({}, { pending: 12, oldestPendingAt, started: 78, parked: 2 }).Backlog).toEqual({
    value: "92",
    about: "12 pending, for up to 3 min; 78 in progress or retrying; 2 parked",
  });
  expect(figures({}, { started: 5 }).Backlog).toEqual({ value: "5", about: "5 in progress or retrying" });
  expect(figures({}, {}).Backlog).toEqual({ value: "0", about: "nothing waits" });
});

test("a backlog that is counted no further says that there may be more", () => {
  expect(figures({}, { started: 10_000, parked: 3 }).Backlog).toEqual({
    value: "10,003+",
    about: "10,000+ in progress or retrying; 3 parked",
  });
});
