import { type ChildProcess, spawn } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
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

const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);

test.each([
  ["755", 0o755],
  ["770", 0o770],
  ["701", 0o701],
])("a folder that others can use (%s) is closed to them, and a line says so", async (was, mode) => {
  await writeFile(join(dir, "posthaste.db"), "", { mode: 0o644 });
  await chmod(dir, mode);
  const lines: string[] = [];
  const folder = await claimDataFolder(dir, (line) => lines.push(line));
  expect(await modeOf(dir)).toBe("700");
  expect(lines).toEqual([`closed ${dir} to other users (it was open: ${was})`]);
  await folder.release();
  await claimDataFolder(dir, (line) => lines.push(line));
  expect(lines).toHaveLength(1);
});

test.each([
  ["readme.md", 0o755],
  ["lib", 0o775],
])("an open folder with a file of others (%s) is refused, and stays as it is", async (name, mode) => {
  // An earlier run in a folder of others does not make it its own.
  await writeFile(join(dir, "posthaste.db"), "");
  await writeFile(join(dir, name), "");
  await chmod(dir, mode);
  const was = { mode: await modeOf(dir), names: await readdir(dir) };
  await expect(claimDataFolder(dir, silent)).rejects.toThrow(
    `other users may read ${dir}, and it has other files than an \`up\` keeps (${name}): close it with ` +
      `chmod 700, or choose a folder of its own with --data`,
  );
  expect({ mode: await modeOf(dir), names: await readdir(dir) }).toEqual(was);
});

test("a folder that is closed may have any other files", async () => {
  await writeFile(join(dir, "readme.md"), "");
  await (await claimDataFolder(dir, silent)).release();
});

test("a folder that another up is using stays as it is", async () => {
  await leaveRunFile(knownProcess(process.pid) as { pid: number; born: string });
  await chmod(dir, 0o755);
  await expect(claimDataFolder(dir, silent)).rejects.toThrow(/another `up`/);
  expect(await modeOf(dir)).toBe("755");
});

test("a folder behind a link is closed as well", async () => {
  const link = join(dir, "link");
  const target = join(dir, "target");
  await mkdir(target, { mode: 0o755 });
  await symlink(target, link);
  await claimDataFolder(link, silent);
  expect(await modeOf(target)).toBe("700");
});

test("a folder that several users share is refused, and stays as it is", async () => {
  await chmod(dir, 0o1777);
  await expect(claimDataFolder(dir, silent)).rejects.toThrow(
    /need it: choose a folder of its own with --data$/,
  );
  expect(await modeOf(dir)).toBe("777");
  expect(await readdir(dir)).toEqual([]);
});

test("the user's home is refused if others may read it, and stays as it is", async () => {
  const home = process.env["HOME"];
  await chmod(dir, 0o755);
  process.env["HOME"] = dir;
  try {
    await expect(claimDataFolder(dir, silent)).rejects.toThrow(/choose a folder of its own with --data$/);
    expect(await modeOf(dir)).toBe("755");
  } finally {
    process.env["HOME"] = home;
  }
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
