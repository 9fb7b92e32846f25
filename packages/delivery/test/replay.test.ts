import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { quietTemporal } from "@posthaste/testkit/delivery";
import { Worker } from "@temporalio/worker";
import { beforeAll, expect, test } from "vitest";
import { workflowCode } from "../src/worker/index.ts";
import * as workflows from "../src/workflows/index.ts";

type RecordedHistory = {
  readonly events: readonly {
    readonly workflowExecutionStartedEventAttributes?: { readonly workflowType: { readonly name: string } };
  }[];
};

const FOLDER = fileURLToPath(new URL("histories/", import.meta.url));
/**
 * The recorded histories: a folder for each date, a file for each case. Add histories when workflows change;
 * remove none while a workflow of its age may be running.
 */
const RECORDED = readdirSync(FOLDER, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".json"))
  .sort();
const read = (name: string): RecordedHistory => JSON.parse(readFileSync(join(FOLDER, name), "utf8"));
const typeOf = (history: RecordedHistory) =>
  history.events[0]?.workflowExecutionStartedEventAttributes?.workflowType.name;

quietTemporal();

let workflowBundle: Awaited<ReturnType<typeof workflowCode>>;
beforeAll(async () => {
  workflowBundle = await workflowCode();
});

test.each(RECORDED)("%s replays against the current code", async (name) => {
  await Worker.runReplayHistory({ workflowBundle }, read(name));
});

test("a history that does not match the code fails to replay", async () => {
  const recorded = JSON.stringify(read(RECORDED.find((name) => name.includes("deliver-retried")) ?? ""));
  const history = JSON.parse(
    recorded.replaceAll('"attemptDelivery"', '"anotherActivity"'),
  ) as RecordedHistory;
  await expect(Worker.runReplayHistory({ workflowBundle }, history)).rejects.toThrow();
});

test("every workflow has a recorded history", () => {
  const recorded = new Set(RECORDED.map((name) => typeOf(read(name))));
  expect([...recorded].sort()).toEqual(Object.keys(workflows).sort());
});
