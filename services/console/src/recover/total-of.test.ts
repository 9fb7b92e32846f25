import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { DeliveryState, RecoverySchema, RecoveryState } from "@posthaste/contracts/delivery";
import { expect, test } from "vitest";
import { totalOf } from "./total-of.ts";

const recovery = create(RecoverySchema, {
  ...{ id: 2, subscriptionId: 7, since: timestampFromMs(1_000), states: [DeliveryState.STARTED] },
});
const count = { ...recovery, id: 1, dryRun: true, state: RecoveryState.COMPLETED, examined: 12n };

test("is what a completed count of the same deliveries has examined", () => {
  expect(totalOf(recovery, [recovery, count])).toBe(12n);
});

test.each([
  ["that has not ended", { state: RecoveryState.RUNNING }],
  ["of another subscription", { subscriptionId: 8 }],
  ["of other states", { states: [DeliveryState.EXHAUSTED] }],
  ["since another time", { since: timestampFromMs(2_000) }],
  ["that was no count", { dryRun: false }],
])("is unknown from a count %s", (_which, over) => {
  expect(totalOf(recovery, [{ ...count, ...over }])).toBeUndefined();
});
