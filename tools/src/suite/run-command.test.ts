import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAlive, knownProcess } from "@posthaste/stack";
import { poll } from "@posthaste/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runCommand } from "./run-command.ts";

/** Starts a second process, and writes its number to a file. */
const STARTS_ANOTHER = `
const other = require("node:child_process").spawn("sleep", ["600"], { stdio: "ignore" });
require("node:fs").writeFileSync("pid", String(other.pid));
`;
const STAYS = "setInterval(() => {}, 1000);";
const ENDS_ON_GO = `setInterval(() => require("node:fs").existsSync("go") && process.exit(0), 20);`;

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "posthaste-command-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function other() {
  const pid = () => readFile(join(root, "pid"), "utf8").catch(() => "");
  expect(await poll(async () => (await pid()) !== "", { withinMs: 20_000 })).toBe(true);
  const known = knownProcess(Number(await pid()));
  if (known === undefined) throw new Error("the second process does not run");
  return known;
}

test("a command that is stopped leaves no process", async () => {
  const stop = new AbortController();
  const code = `${STARTS_ANOTHER}${STAYS}`;
  const ended = runCommand(process.execPath, ["-e", code], { root, signal: stop.signal });
  const known = await other();
  stop.abort(new Error("stopped"));
  await expect(ended).rejects.toThrow("stopped");
  expect(await poll(() => !isAlive(known), { withinMs: 20_000 })).toBe(true);
});

test("a command that ends leaves no process", async () => {
  const { signal } = new AbortController();
  const code = `${STARTS_ANOTHER}${ENDS_ON_GO}`;
  const ended = runCommand(process.execPath, ["-e", code], { root, signal });
  const known = await other();
  await writeFile(join(root, "go"), "");
  expect(await ended).toEqual({ code: 0, output: "" });
  expect(await poll(() => !isAlive(known), { withinMs: 20_000 })).toBe(true);
});
