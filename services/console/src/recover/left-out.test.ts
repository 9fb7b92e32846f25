import { create } from "@bufbuild/protobuf";
import { LeftOutReason, LeftOutSchema } from "@posthaste/contracts/delivery";
import { expect, test } from "vitest";
import { whyLeftOut } from "./left-out.ts";

const leftOut = (reason: LeftOutReason, count: bigint) => create(LeftOutSchema, { reason, count });

test("names each reason, the most frequent first", () => {
  const some = [leftOut(LeftOutReason.DUE, 2n), leftOut(LeftOutReason.ALREADY_SENT, 30n)];
  expect(whyLeftOut(some, 32n)).toBe("30 sent again before, or still open, 2 due or in progress");
});

test("says how many an earlier release left out", () => {
  expect(whyLeftOut([leftOut(LeftOutReason.TEST, 1n)], 4n)).toBe("3 for another reason, 1 test events");
});

test("says nothing if nothing was left out", () => {
  expect(whyLeftOut([], 0n)).toBe("");
});
