import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { afterEach, expect, test, vi } from "vitest";
import { createLogOutput } from "./log-output.ts";

const run = promisify(execFile);
const LOG = JSON.stringify(new URL("./log.ts", import.meta.url).href);
const RUN_SERVICE = JSON.stringify(new URL("./run-service.ts", import.meta.url).href);
const CONFIG = JSON.stringify(new URL("./config.ts", import.meta.url).href);
const PATIENCE_MS = 60_000;

let child: ChildProcess | undefined;
afterEach(() => {
  child?.kill("SIGKILL");
});

/** Starts a program whose standard output goes where it is told, and which can send messages. */
function start(program: string, output: number | "pipe"): ChildProcess {
  const args = ["--import", "tsx", "--conditions", "source", "--input-type=module", "--eval", program];
  child = spawn(process.execPath, args, { stdio: ["ignore", output, "inherit", "ipc"] });
  return child;
}

/** Writes lines to standard output, a few milliseconds apart, and ends on its own. */
const PROGRAM = `
  import { createLog } from ${LOG};
  const log = createLog("info", { service: "test" });
  let lines = 0;
  const timer = setInterval(() => {
    log.info("line");
    // As libraries do, and Node itself with a warning.
    process.stderr.write("line");
    process.stdout.write("line");
    if (++lines < 50) return;
    clearInterval(timer);
    process.exit(STILL_HERE);
  }, 2);`;

const STILL_HERE = 77;

test("a process goes on while the disk of its log is full, and ends when it wants to", async () => {
  // Every write to this device fails as on a full disk.
  const script = 'exec "$0" --input-type=module-typescript --eval "$1" > /dev/full 2> /dev/full';
  const program = PROGRAM.replace("STILL_HERE", String(STILL_HERE));
  const ended = run("sh", ["-c", script, process.execPath, program], { timeout: 20_000 });
  await expect(ended).rejects.toMatchObject({ code: STILL_HERE });
}, 30_000);

const LINES = 100_000;

test(
  "lines that were not read for long go on by themselves, and those that did not fit are counted",
  async () => {
    const writer = start(
      `
    import { countLostLines, createLog } from ${LOG};
    const log = createLog("info", { service: "test" });
    let lost = 0;
    countLostLines(() => lost++);
    for (let n = 0; n < ${LINES}; n++) log.info("line", { n, text: "x".repeat(100) });
    process.send(lost);
    // It lives until it is told to end, and writes no other line.
    process.once("message", () => process.disconnect());`,
      "pipe",
    );
    const [lost] = (await once(writer, "message")) as [number];
    expect(lost).toBeGreaterThan(0);
    const reading = text(writer.stdout as NodeJS.ReadableStream);
    let told = "";
    writer.stdout?.on("data", (data) => {
      told = (told + data).slice(-1_000);
      if (told.includes("log.lines_lost")) writer.send("end");
    });
    const lines = (await reading)
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.at(-1)).toMatchObject({ level: "warn", event: "log.lines_lost", lines: lost });
    expect(lines.slice(0, -1).map(({ n }) => n)).toEqual(Array.from({ length: LINES - lost }, (_, n) => n));
  },
  PATIENCE_MS,
);

/** A service that logs more at its start than a pipe takes. */
const SERVICE = `
  import { oneOf } from ${CONFIG};
  import { runService } from ${RUN_SERVICE};
  await runService({
    name: "test",
    settings: { POSTHASTE_LOG_LEVEL: oneOf("The level", "info", ["info"]) },
    stopWithinMs: () => 600_000,
    start: async (_config, log) => {
      for (let n = 0; n < 2_000; n++) log.info("line", { text: "x".repeat(1_000) });
      return { stop: async () => {} };
    },
  });
  process.send("started");`;

test.each([
  ["is on a full disk", () => openSync("/dev/full", "w")],
  ["goes into a pipe that nobody reads", () => "pipe" as const],
])(
  "a service whose log %s stops when it is told to",
  async (_what, output) => {
    const service = start(SERVICE, output());
    await once(service, "message");
    service.kill("SIGTERM");
    expect(await once(service, "exit")).toEqual([0, null]);
  },
  PATIENCE_MS,
);

test(
  "the last lines of a process that ends at once are written",
  async () => {
    const ending = start(
      `
    import { createLog } from ${LOG};
    const log = createLog("info", { service: "test" });
    for (let n = 0; n < 1_000; n++) log.info("line", { n });
    process.exit(0);`,
      "pipe",
    );
    const lines = (await text(ending.stdout as NodeJS.ReadableStream)).trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line).n)).toEqual(Array.from({ length: 1_000 }, (_, n) => n));
  },
  PATIENCE_MS,
);

/** A pipe that this process reads and writes, never waiting for either. */
function openPipe(): { fd: number; read: () => string; close: () => void } {
  const dir = mkdtempSync(join(tmpdir(), "posthaste-log-"));
  const path = join(dir, "pipe");
  execFileSync("mkfifo", [path]);
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  rmSync(dir, { recursive: true });
  const buffer = Buffer.alloc(1024 * 1024);
  const read = () => {
    try {
      return buffer.toString("latin1", 0, readSync(fd, buffer));
    } catch {
      // It is empty.
      return "";
    }
  };
  return { fd, read, close: () => closeSync(fd) };
}

test("after a stall, the lines go as fast as a pipe is read, and none is lost", () => {
  vi.useFakeTimers();
  const pipe = openPipe();
  try {
    let lost = 0;
    const output = createLogOutput(pipe.fd, { onLost: () => lost++, onRoom: () => {} });
    let written = 0;
    // 400 kB a second, in steps of 20 ms.
    const step = () => {
      for (let n = 0; n < 80; n++) output.write(`${String(written++).padEnd(99)}\n`);
      vi.advanceTimersByTime(20);
    };
    for (let ms = 0; ms < 5_000; ms += 20) step();
    let received = "";
    for (let ms = 0; ms < 20_000; ms += 20) {
      step();
      received += pipe.read();
    }
    expect(lost).toBe(0);
    const lines = received.trimEnd().split("\n");
    expect(lines.map(Number)).toEqual(Array.from({ length: written }, (_, n) => n));
  } finally {
    pipe.close();
    vi.useRealTimers();
  }
});
