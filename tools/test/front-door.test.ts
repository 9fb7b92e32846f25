import { type ChildProcess, spawn } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isAlive, knownProcess } from "../src/processes/known-process.ts";
import { poll } from "../src/processes/poll.ts";

/*
 * The real tools/run.mjs in a repository of its own, with a stand-in for npm that writes down its calls.
 */

const repository = fileURLToPath(new URL("../../", import.meta.url));
let root: string;
const started: ChildProcess[] = [];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "posthaste-front-door-"));
  await mkdir(join(root, "tools/src"), { recursive: true });
  await cp(join(repository, "tools/run.mjs"), join(root, "tools/run.mjs"));
  await cp(join(repository, "tools/start"), join(root, "tools/start"), { recursive: true });
  await writeFile(join(root, "package.json"), '{"type":"module"}');
  await writeLock("1.0.0");
  await writeNpm("process.exit(0)");
  await command("hello", `console.log("hello", ...process.argv.slice(2)); process.exitCode = 7;`);
});
afterEach(async () => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
  await rm(root, { recursive: true, force: true });
});

/** npm ci: empties node_modules, links the one dependency that the front door needs, and ends as `ending` says. */
async function writeNpm(ending: string): Promise<void> {
  const tsx = join(repository, "node_modules/tsx");
  await writeFile(
    join(root, "npm.js"),
    `import { appendFileSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
appendFileSync("npm-calls", process.argv.slice(2).join(" ") + "\\n");
rmSync("node_modules", { recursive: true, force: true });
mkdirSync("node_modules");
symlinkSync(${JSON.stringify(tsx)}, "node_modules/tsx");
console.log("what npm says");
${ending}`,
  );
}

function lockOf(version: string): string {
  return JSON.stringify({
    packages: {
      "": {},
      "node_modules/tsx": { version, integrity: "sha512-x" },
      "node_modules/other-platform": { version: "1.0.0", optional: true },
    },
  });
}

async function writeLock(version: string): Promise<void> {
  await writeFile(join(root, "package-lock.json"), lockOf(version));
}

async function command(name: string, code: string): Promise<void> {
  await writeFile(join(root, "tools/src", `${name}.ts`), code);
}

function start(...args: string[]) {
  const child = spawn(process.execPath, [join(root, "tools/run.mjs"), ...args], {
    cwd: root,
    env: { ...process.env, npm_execpath: join(root, "npm.js") },
    stdio: ["ignore", "pipe", "pipe"],
  });
  started.push(child);
  const text = { out: "", err: "" };
  child.stdout.on("data", (data) => {
    text.out += data;
  });
  child.stderr.on("data", (data) => {
    text.err += data;
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  return { child, text, ended };
}

async function run(...args: string[]) {
  const { text, ended } = start(...args);
  const code = await ended;
  return { code, ...text };
}

async function npmCalls(): Promise<string[]> {
  const text = await readFile(join(root, "npm-calls"), "utf8").catch(() => "");
  return text.split("\n").filter((line) => line !== "");
}

test("it installs what is missing, once, and hands over arguments and exit code", async () => {
  const first = await run("hello", "--flag", "two words");
  expect(first).toMatchObject({ code: 7, out: "hello --flag two words\n" });
  expect(first.err).toContain("installing dependencies (npm ci) …");
  expect(first.err).not.toContain("what npm says");
  const second = await run("hello");
  expect(second).toMatchObject({ code: 7, out: "hello\n", err: "" });
  expect(await npmCalls()).toEqual(["ci --no-fund --no-audit"]);
});

test("it installs again once the lock file has changed", async () => {
  await run("hello");
  await writeLock("1.0.1");
  await run("hello");
  expect(await npmCalls()).toHaveLength(2);
});

test("it leaves alone what somebody installed by hand, if it is what the lock file says", async () => {
  await mkdir(join(root, "node_modules"));
  await symlink(join(repository, "node_modules/tsx"), join(root, "node_modules/tsx"));
  const { packages } = JSON.parse(lockOf("1.0.0"));
  delete packages["node_modules/other-platform"];
  await writeFile(join(root, "node_modules/.package-lock.json"), JSON.stringify({ packages }));
  expect((await run("hello")).code).toBe(7);
  expect(await npmCalls()).toEqual([]);

  await writeLock("1.0.1");
  await run("hello");
  expect(await npmCalls()).toHaveLength(1);
});

test("it installs again for another build of Node", async () => {
  await run("hello");
  const stamp = join(root, "node_modules/.posthaste-installed");
  await writeFile(stamp, (await readFile(stamp, "utf8")).replace(/-\d+$/, "-1"));
  await run("hello");
  expect(await npmCalls()).toHaveLength(2);
});

test("an install that fails shows what npm said and one line, and leaves no stamp", async () => {
  await writeNpm("process.exit(3)");
  const { code, err } = await run("hello");
  expect(code).toBe(1);
  expect(err).toContain("what npm says");
  expect(err.trimEnd().split("\n").at(-1)).toMatch(
    /^posthaste: the dependencies could not be installed .*registry reachable\?$/,
  );
  await run("hello");
  expect(await npmCalls()).toHaveLength(2);
});

test.each(["", "nothing", "../up", "UP"])("a command %j that is not there is one line", async (name) => {
  const { code, err } = await run(name);
  expect(code).toBe(1);
  expect(err).toBe(`posthaste: there is no command "${name}"; see the scripts in package.json\n`);
});

test("migrate does not install over what is there", async () => {
  await run("hello");
  await writeLock("1.0.1");
  await command("migrate", `console.log("migrated");`);
  expect((await run("migrate")).out).toBe("migrated\n");
  expect(await npmCalls()).toHaveLength(1);
});

/** Says what reaches it, and ends with 5 a little after SIGTERM: a signal sent before may arrive after it. */
const LISTENING = `
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => console.log(signal));
process.on("SIGTERM", () => setTimeout(() => process.exit(5), 200));
process.on("disconnect", () => process.exit(6));
console.log("ready", process.pid);
setInterval(() => {}, 1000);
`;

async function startListening() {
  await command("listen", LISTENING);
  const running = start("listen");
  expect(await poll(() => running.text.out.includes("ready"), { withinMs: 20_000 })).toBe(true);
  const known = knownProcess(Number(/ready (\d+)/.exec(running.text.out)?.[1]));
  if (known === undefined) throw new Error("the command does not run");
  return { ...running, known };
}

test("a Ctrl-C that comes from several sides reaches the command once, and another signal again", async () => {
  const { child, text, ended } = await startListening();
  child.kill("SIGINT");
  child.kill("SIGINT");
  expect(await poll(() => text.out.includes("SIGINT"), { withinMs: 5_000 })).toBe(true);
  child.kill("SIGINT");
  child.kill("SIGTERM");
  expect(await ended).toBe(5);
  expect(text.out.split("\n").slice(1)).toEqual(["SIGINT", "SIGTERM", ""]);
});

test("a command whose front door was killed is told", async () => {
  const { child, known } = await startListening();
  child.kill("SIGKILL");
  expect(await poll(() => !isAlive(known), { withinMs: 10_000 })).toBe(true);
});

test("the end of a command by a signal is its exit code", async () => {
  await command("die", `process.kill(process.pid, "SIGKILL"); setInterval(() => {}, 1000);`);
  expect((await run("die")).code).toBe(137);
});
