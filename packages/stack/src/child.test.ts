import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "@posthaste/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Child, type ChildOptions, createChild } from "./child.ts";

const WITHIN = { withinMs: 60_000 };
const STAYS = 'console.log("up"); setInterval(() => {}, 1_000);';
const IGNORES_SIGTERM = 'process.on("SIGTERM", () => console.log("no"));';

let dir: string;
let children: Child[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "posthaste-child-"));
});
afterEach(async () => {
  await Promise.all(children.map((child) => child.kill()));
  children = [];
  rmSync(dir, { recursive: true, force: true });
});

function childOf(program: string, more: Partial<ChildOptions> = {}): Child {
  const logPath = join(dir, "child.log");
  const isReady = async () => readFileSync(logPath, "utf8").includes("up");
  const run = { command: process.execPath, args: ["-e", program], env: {}, cwd: dir };
  const child = createChild({ name: "child", ...run, logPath, isReady, ...more });
  children.push(child);
  return child;
}

test("a killed child restarts with the same command and appends to its log", async () => {
  const child = childOf(STAYS);
  expect([child.running(), child.pid()]).toEqual([false, undefined]);
  await child.start();
  const first = child.pid();
  await child.kill();
  expect([child.running(), await child.ended()]).toEqual([false, "was ended by SIGKILL"]);
  await child.start();
  await until(() => child.log() === "up\nup\n", WITHIN);
  expect(child.pid()).not.toBe(first);
});

test("the log of an earlier child at the same path is renamed, and kept", async () => {
  await childOf('console.log("up earlier");').launch();
  await children[0]?.ended();
  await childOf(STAYS).start();
  expect(readFileSync(join(dir, "child.log.1"), "utf8")).toBe("up earlier\n");
});

test("the error of a child that ends during its start has its exit code and its log", async () => {
  const child = childOf('console.error("no database"); process.exit(3);', { isReady: async () => false });
  await expect(child.start()).rejects.toThrow("child ended with exit code 3: no database");
});

test("a program that does not exist is an error that names the cause", async () => {
  const child = childOf("", { command: join(dir, "nothing") });
  await expect(child.launch()).rejects.toThrow(/^child could not be started: .*ENOENT/);
  expect(child.running()).toBe(false);
});

test("a stopped child returns its exit code, and is killed if it does not end in time", async () => {
  const polite = childOf(`process.on("SIGTERM", () => process.exit(7)); ${STAYS}`);
  await polite.start();
  expect(await polite.stop()).toBe(7);
  const deaf = childOf(`${IGNORES_SIGTERM} ${STAYS}`, { detached: true });
  await deaf.start();
  expect(await deaf.stop(10)).toBeNull();
  expect(await deaf.ended()).toBe("was ended by SIGKILL");
});

test("only a tethered child has a channel to its parent", async () => {
  const says = `console.log(process.connected ?? false); ${STAYS}`;
  const tethered = childOf(says, { tethered: true });
  await tethered.start();
  expect(tethered.log()).toBe("true\nup\n");
  await tethered.kill();
  const free = childOf(says);
  await free.start();
  expect(free.log()).toBe("false\nup\n");
});
