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

test("it is killed and started again with the same command, and its log goes on", async () => {
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

test("another child's log at the same place is kept beside its own", async () => {
  await childOf('console.log("up of before");').launch();
  await children[0]?.ended();
  await childOf(STAYS).start();
  expect(readFileSync(join(dir, "child.log.1"), "utf8")).toBe("up of before\n");
});

test("one that ends as it starts says how, with its log", async () => {
  const child = childOf('console.error("no database"); process.exit(3);', { isReady: async () => false });
  await expect(child.start()).rejects.toThrow("child ended with exit code 3: no database");
});

test("a program that is not there says so", async () => {
  const child = childOf("", { command: join(dir, "nothing") });
  await expect(child.launch()).rejects.toThrow(/^child could not be started: .*ENOENT/);
  expect(child.running()).toBe(false);
});

test("it is stopped with its exit code, and killed once patience is over", async () => {
  const polite = childOf(`process.on("SIGTERM", () => process.exit(7)); ${STAYS}`);
  await polite.start();
  expect(await polite.stop()).toBe(7);
  const deaf = childOf(`${IGNORES_SIGTERM} ${STAYS}`, { detached: true });
  await deaf.start();
  expect(await deaf.stop(10)).toBeNull();
  expect(await deaf.ended()).toBe("was ended by SIGKILL");
});

test("one that is tethered hears when its parent is gone; the others have no such channel", async () => {
  const says = `console.log(process.connected ?? false); ${STAYS}`;
  const tethered = childOf(says, { tethered: true });
  await tethered.start();
  expect(tethered.log()).toBe("true\nup\n");
  await tethered.kill();
  const free = childOf(says);
  await free.start();
  expect(free.log()).toBe("false\nup\n");
});
