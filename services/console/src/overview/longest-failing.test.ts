import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { SubscriptionSchema } from "@posthaste/contracts/subscription";
import { expect, test } from "vitest";
import { longestFailing } from "./longest-failing.ts";

const failing = (id: number, sinceMs: number) =>
  create(SubscriptionSchema, { id, failingSince: timestampFromMs(sinceMs) });

test("those that fail for the longest come first, whichever are the oldest, to the millisecond", () => {
  const three = [failing(1, 3_000), failing(2, 1_900), failing(3, 1_100)];
  expect(longestFailing(three, 2).map(({ id }) => id)).toEqual([3, 2]);
  expect(three.map(({ id }) => id)).toEqual([1, 2, 3]);
});
