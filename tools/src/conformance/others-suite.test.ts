import { expect, test } from "vitest";
import { CannotRun, othersSuite } from "./others-suite.ts";

const context = { root: "/nowhere", signal: new AbortController().signal };

test("a suite without its toolchain fails in one line", async () => {
  const step = othersSuite("theirs", async () => {
    throw new CannotRun("Go is not installed");
  });
  expect(await step.run(context)).toEqual({
    passed: 0,
    failed: 1,
    failures: ["theirs cannot run: Go is not installed"],
  });
});

test("any other error of a suite is thrown", async () => {
  const step = othersSuite("theirs", async () => {
    throw new Error("the server does not start");
  });
  await expect(step.run(context)).rejects.toThrow("the server does not start");
});
