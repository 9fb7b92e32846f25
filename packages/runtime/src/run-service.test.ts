import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";

const RUN_SERVICE = new URL("./run-service.ts", import.meta.url);
const CONFIG = new URL("./config.ts", import.meta.url);

let child: ChildProcess | undefined;
let output = "";
afterEach(() => {
  child?.kill("SIGKILL");
});

/**
 * Starts a service in a process of its own.
 *
 * @param stop the body of its `stop(deadline)`
 * @param start what its start does, before it prints `started`. Default: nothing
 * @param stopWithinMs default: so long that a stop at the deadline would exceed the test's time
 * @param env what its environment has besides this process's
 * @param until what it prints before this resolves. Default: that its start has begun
 */
async function service(
  stop: string,
  { start = "", stopWithinMs = 600_000, env = {}, until = "starting" } = {},
): Promise<ChildProcess> {
  const program = `
    import { pbkdf2 } from "node:crypto";
    import { once } from "node:events";
    import { oneOf } from ${JSON.stringify(CONFIG.href)};
    import { runService } from ${JSON.stringify(RUN_SERVICE.href)};
    const never = new Promise(() => setInterval(() => {}, 1000));
    await runService({
      name: "test",
      settings: { POSTHASTE_LOG_LEVEL: oneOf("The level", "info", ["info"]) },
      stopWithinMs: () => ${stopWithinMs},
      start: async () => {
        console.log("starting");
        ${start};
        return { stop: async (deadline) => { ${stop} } };
      },
    });
    console.log("started");
    await never;`;
  const folder = fileURLToPath(new URL(".", import.meta.url));
  const args = ["--import", "tsx", "--conditions", "source", "--input-type=module", "--eval", program];
  output = "";
  const spawned = spawn(process.execPath, args, {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  child = spawned;
  spawned.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    spawned.emit("output");
  });
  await printed(until);
  return spawned;
}

async function printed(text: string): Promise<void> {
  while (!output.includes(text)) await once(child as ChildProcess, "output");
}

/** Resolves with the exit code, or else with the signal that ended the process. */
async function ended(): Promise<number | string> {
  const [code, signal] = await once(child as ChildProcess, "close");
  return code ?? signal;
}

const lastLine = () => JSON.parse(output.trim().split("\n").at(-1) ?? "");

test("a stop that ends in time exits with 0, and says so", async () => {
  const process = await service("await deadline.waitFor('work', Promise.resolve())");
  await printed("started");
  process.kill("SIGTERM");
  expect(await ended()).toBe(0);
  expect(lastLine()).toMatchObject({ event: "process.stopped", level: "info" });
});

test("at the deadline the process ends, and one line says how many pieces of which part are left", async () => {
  const process = await service(
    "await deadline.waitFor('attempts', never, () => 3); await deadline.waitFor('store', never)",
    { stopWithinMs: 1 },
  );
  await printed("started");
  process.kill("SIGTERM");
  expect(await ended()).toBe("SIGTERM");
  expect(lastLine()).toMatchObject({ event: "process.stopped", left: { attempts: 3, store: 1 } });
});

test("a stop that ignores its deadline is ended all the same", async () => {
  const process = await service("await never", { stopWithinMs: 1 });
  await printed("started");
  process.kill("SIGINT");
  expect(await ended()).toBe("SIGTERM");
  expect(lastLine()).toMatchObject({ event: "process.stop_overran" });
});

test("a second signal ends the process at once, although a thread of Node's pool is at work", async () => {
  // `process.exit` would wait for this hash, which takes many minutes.
  const process = await service("pbkdf2('a', 'b', 2 ** 31 - 1, 64, 'sha512', () => {}); await never");
  await printed("started");
  process.kill("SIGTERM");
  await printed("process.stopping");
  process.kill("SIGINT");
  expect(await ended()).toBe("SIGINT");
});

test("the same signal again is an echo, as of a supervisor that signals each process: the stop goes on", async () => {
  const process = await service(
    "const echo = once(process, 'SIGTERM'); process.kill(process.pid, 'SIGTERM'); await echo;",
  );
  await printed("started");
  process.kill("SIGTERM");
  expect(await ended()).toBe(0);
  expect(lastLine()).toMatchObject({ event: "process.stopped", level: "info" });
});

test("the same signal a second later ends the process at once", async () => {
  const process = await service(
    `const now = performance.now.bind(performance);
    performance.now = () => now() + 1000;
    process.kill(process.pid, 'SIGTERM');
    await never`,
  );
  await printed("started");
  process.kill("SIGTERM");
  expect(await ended()).toBe("SIGTERM");
  expect(lastLine()).toMatchObject({ event: "process.stopping" });
});

test("a signal during the start ends the process at once", async () => {
  const process = await service("", { start: "await never" });
  process.kill("SIGTERM");
  expect(await ended()).toBe("SIGTERM");
});

test("a partner that is far away is not given up after a moment because it has several addresses", async () => {
  const start = `console.log((await import("node:net")).getDefaultAutoSelectFamilyAttemptTimeout(), "ms")`;
  await service("", { start });
  await printed("started");
  expect(output).toContain("1200 ms");
});

test("a stop that fails exits with 1, and says why", async () => {
  const process = await service("throw new Error('the store is broken')");
  await printed("started");
  process.kill("SIGTERM");
  expect(await ended()).toBe(1);
  expect(lastLine()).toMatchObject({
    event: "process.stop_failed",
    error: { message: "the store is broken" },
  });
});

test("a service does not start if Node passes over the authorities in NODE_EXTRA_CA_CERTS", async () => {
  const until = "process.not_started";
  await service("", { env: { NODE_EXTRA_CA_CERTS: fileURLToPath(CONFIG) }, until });
  expect(await ended()).toBe(1);
  expect(lastLine()).toMatchObject({ event: until, error: { type: "StartError" } });
});
