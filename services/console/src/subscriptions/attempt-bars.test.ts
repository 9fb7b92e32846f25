import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { AttemptsBucketSchema } from "@posthaste/contracts/subscription";
import { expect, test } from "vitest";
import { attemptBars } from "./attempt-bars.ts";

const MINUTE_MS = 60_000;
const bucket = (minute: number, attempts: number, accepted: number) =>
  create(AttemptsBucketSchema, { from: timestampFromMs(minute * MINUTE_MS), attempts, accepted });

test("each bucket has a bar of what was accepted and what failed", () => {
  expect(attemptBars([bucket(5, 3, 2), bucket(6, 0, 0)], MINUTE_MS)).toEqual({
    times: [5 * MINUTE_MS, 6 * MINUTE_MS],
    accepted: [2, 0],
    failed: [1, 0],
  });
});

test("a bucket that is alone gets neighbours of which nothing is known", () => {
  expect(attemptBars([bucket(5, 3, 2)], MINUTE_MS)).toEqual({
    times: [4 * MINUTE_MS, 5 * MINUTE_MS, 6 * MINUTE_MS],
    accepted: [null, 2, null],
    failed: [null, 1, null],
  });
});
