import { type Log, silentLog } from "@posthaste/runtime";
import { expect, test } from "vitest";
import { sdkLogger } from "../src/temporal/temporal-runtime.ts";

test("the lines of Temporal's SDK are lines of the worker's log", () => {
  const lines: unknown[] = [];
  const write =
    (level: string) =>
    (...line: unknown[]) =>
      lines.push([level, ...line]);
  const log: Log = { ...silentLog, info: write("info"), warn: write("warn"), error: write("error") };
  const logger = sdkLogger(log);
  const why = new Error("no such namespace");
  logger.debug("not worth a line");
  logger.info("Worker state changed", { state: "RUNNING", [Symbol("time")]: 1n });
  logger.log("WARN", "Activity failed", { attempt: 1, error: why });
  logger.warn("No workflows registered, not polling for workflow tasks", { taskQueue: "retries" });
  logger.error("Worker failed", { error: why, workflowId: "w" });
  logger.error("Worker failed");
  expect(lines).toEqual([
    ["info", "temporal.sdk", { message: "Worker state changed", state: "RUNNING" }],
    ["warn", "temporal.sdk", { message: "Activity failed", attempt: 1, error: why }],
    // The worker of retries is meant to have none.
    [
      "info",
      "temporal.sdk",
      { message: "No workflows registered, not polling for workflow tasks", taskQueue: "retries" },
    ],
    ["error", "temporal.sdk", why, { message: "Worker failed", workflowId: "w" }],
    ["error", "temporal.sdk", "Worker failed", { message: "Worker failed" }],
  ]);
});
