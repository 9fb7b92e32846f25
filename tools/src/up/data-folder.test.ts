import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { knownProcess } from "@posthaste/stack";
import { poll } from "@posthaste/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { claimDataFolder } from "./data-folder.ts";

let dir: string;
const processes: ChildProcess[] = [];
const silent = () => {};

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "posthaste-data-"));
});
afterEach(async () => {
  for (const child of processes.splice(0)) child.kill("SIGKILL");
  await rm(dir, { recursive: true, force: true });
});

/** Starts a process that runs until it is killed. */
function runForever(): ChildProcess & { pid: number } {
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
  processes.push(child);
  if (child.pid === undefined) throw new Error("no process");
  return child as ChildProcess & { pid: number };
}

/** Writes the file that a killed `up` leaves in the data folder. */
async function leaveRunFile(up: { pid: number; born: string }, started: object[] = []): Promise<void> {
  await writeFile(join(dir, "run.json"), JSON.stringify({ up, started }));
}

const dead = { pid: 999_999_999, born: "long ago" };

test("a folder that cannot be created is refused in words", async () => {
  await writeFile(join(dir, "file"), "");
  await expect(claimDataFolder(join(dir, "file", "data"), silent)).rejects.toThrow(
    /cannot be created \(ENOTDIR\): choose another folder with --data$/,
  );
});

test("a second claim is refused until the first is released", async () => {
  const first = await claimDataFolder(dir, silent);
  await expect(claimDataFolder(dir, silent)).rejects.toThrow(
    /another `up` \(process \d+\) is using .*--data/,
  );
  await first.release();
  await (await claimDataFolder(dir, silent)).release();
  expect(await readdir(dir)).toEqual(["logs"]);
});

test("exactly one of many simultaneous claims is granted", async () => {
  await leaveRunFile(dead);
  const claims = await Promise.allSettled(Array.from({ length: 10 }, () => claimDataFolder(dir, silent)));
  expect(claims.filter((claim) => claim.status === "fulfilled")).toHaveLength(1);
});

test("a claim ends the processes that a killed run left behind", async () => {
  const orphan = runForever();
  const known = knownProcess(orphan.pid);
  await leaveRunFile(dead, [{ name: "Temporal", ...known }]);
  const lines: string[] = [];
  await claimDataFolder(dir, (line) => lines.push(line));
  expect(await poll(() => orphan.signalCode !== null, { withinMs: 30_000 })).toBe(true);
  expect(lines).toEqual([`ending the Temporal (process ${orphan.pid}) that an earlier run left behind`]);
});

test("a claim ends no other process that has the same process ID", async () => {
  const stranger = runForever();
  await leaveRunFile({ pid: process.pid, born: "long ago" }, [
    { name: "Temporal", pid: stranger.pid, born: "long ago" },
  ]);
  await claimDataFolder(dir, silent);
  expect(knownProcess(stranger.pid)).toBeDefined();
  expect(stranger.signalCode).toBeNull();
});

test("a truncated file does not lock the folder", async () => {
  await writeFile(join(dir, "run.json"), '{"up":{"pid":');
  await (await claimDataFolder(dir, silent)).release();
});

test("a started process is recorded with its start time", async () => {
  const child = runForever();
  const folder = await claimDataFolder(dir, silent);
  await folder.note("worker", child.pid);
  const { started } = JSON.parse(await readFile(join(dir, "run.json"), "utf8"));
  expect(started).toEqual([{ name: "worker", ...knownProcess(child.pid) }]);
});
