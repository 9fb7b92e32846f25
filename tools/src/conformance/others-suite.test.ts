import { expect, test } from "vitest";
import { LeftOut, othersSuite } from "./others-suite.ts";

const context = { root: "/nowhere", signal: new AbortController().signal };

test("a suite without its toolchain is left out in one line, and counts as nothing", async () => {
  const step = othersSuite("theirs", async () => {
    throw new LeftOut("Go is not installed");
  });
  expect(await step.run(context)).toEqual({
    passed: 0,
    failed: 0,
    details: "left out: Go is not installed",
  });
});

test("any other error of a suite is thrown", async () => {
  const step = othersSuite("theirs", async () => {
    throw new Error("the server does not start");
  });
  await expect(step.run(context)).rejects.toThrow("the server does not start");
});
