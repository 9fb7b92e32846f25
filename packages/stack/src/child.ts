import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, createWriteStream, existsSync, openSync, readFileSync, renameSync } from "node:fs";
import type { Writable } from "node:stream";
import { MINUTE_MS } from "@posthaste/domain";
import { poll } from "@posthaste/testkit";
import { killGroup } from "./kill-group.ts";

/** A child process that can be started repeatedly with the same command. Its output goes to a file. */
export type Child = {
  readonly name: string;
  readonly logPath: string;
  /** Changes its environment, from the next start on. */
  set(env: Env): void;
  /**
   * Starts the process, and resolves once it is ready.
   *
   * @throws Error with the end of its log if it ends first, or if it is not ready within a minute
   */
  start(): Promise<void>;
  /** Starts the process without waiting until it is ready. Resolves with its process number. */
  launch(): Promise<number>;
  isReady(): Promise<boolean>;
  /** Ends it with SIGKILL. Resolves once it has ended. */
  kill(): Promise<void>;
  /**
   * Ends it with SIGTERM, and with SIGKILL after `patienceMs` (default: a minute).
   *
   * @returns its exit code; null if a signal ended it
   */
  stop(patienceMs?: number): Promise<number | null>;
  /** Suspends it (SIGSTOP): its sockets stay open and do not answer. */
  pause(): void;
  resume(): void;
  running(): boolean;
  /** The process number of the latest start; undefined before the first. */
  pid(): number | undefined;
  /** Resolves once the latest process has ended, with a description such as "was ended by SIGKILL". */
  ended(): Promise<string>;
  /** Stops reading its output, if that goes through a pipe. What the pipe does not hold, it cannot write. */
  stallOutput(): void;
  readOutput(): void;
  /** Returns the output so far. */
  log(): string;
};

/** A program to start, and the check whether it is ready. */
export type Program = {
  /** The name in messages. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** The complete environment: nothing is inherited from this process. */
  readonly env: Env;
  /** Never rejects. */
  readonly isReady: () => Promise<boolean>;
};

/** An environment; undefined = not set. */
export type Env = Readonly<Record<string, string | undefined>>;

export type ChildOptions = Program & {
  /** The file for the output. An existing file is renamed to `NAME.log.1` at the first start. */
  readonly logPath: string;
  readonly cwd: string;
  /**
   * Runs it in a new session: Ctrl-C does not reach it, and `kill` also ends the processes it has started.
   */
  readonly detached?: boolean;
  /**
   * Its output goes through a pipe to this process, which writes it into the file, so that it can stall.
   * Default: it writes to the file directly.
   */
  readonly piped?: boolean;
  /** Opens a channel that closes when this process ends, for programs that listen to it. */
  readonly tethered?: boolean;
};

const READY_WITHIN_MS = MINUTE_MS;
/** Longer than the deadline of any service's stop. */
const PATIENCE_MS = MINUTE_MS;
/** Characters of the log in the error of a child that does not start. */
const LOG_CHARS_SHOWN = 2_000;

/** Creates a child without starting it. */
export function createChild(options: ChildOptions): Child {
  const { name, command, args, cwd, logPath, isReady } = options;
  let { env } = options;
  const { detached = false, tethered = false, piped = false } = options;
  let child: ChildProcess | undefined;
  let isStalled = false;
  let flow: Flow | undefined;
  let ended: Promise<string> = Promise.resolve("was not started");

  const running = () => child !== undefined && child.exitCode === null && child.signalCode === null;
  const send = (signal: NodeJS.Signals) => {
    if (running()) child?.kill(signal);
  };
  const killNow = () => {
    if (detached && running()) killGroup(child?.pid);
    else send("SIGKILL");
  };
  const log = () => (existsSync(logPath) ? readFileSync(logPath, "utf8") : "");
  const launch = async () => {
    if (child === undefined && existsSync(logPath)) renameSync(logPath, `${logPath}.1`);
    // The child writes to the file directly: output through this process would take time that it measures.
    const output = openSync(logPath, "a", 0o600);
    const to = piped ? "pipe" : output;
    child = spawn(command, args, {
      cwd,
      env,
      detached,
      stdio: tethered ? ["ignore", to, to, "ipc"] : ["ignore", to, to],
    });
    if (piped) {
      const file = createWriteStream(logPath, { flags: "a", mode: 0o600 });
      child.once("close", () => file.end());
      flow = outputOf(child, file);
      if (!isStalled) flow.read();
    }
    closeSync(output);
    ended = endOf(child);
    if (child.pid === undefined) throw new Error(`${name} ${await ended}`);
    return child.pid;
  };
  return {
    name,
    logPath,
    launch,
    isReady,
    set(changed) {
      env = { ...env, ...changed };
    },
    async start() {
      await launch();
      const failed = (how: string) => new Error(`${name} ${how}: ${log().slice(-LOG_CHARS_SHOWN)}`);
      const ready = async () => {
        if (!running()) throw failed(await ended);
        return await isReady();
      };
      const isUp = await poll(ready, { withinMs: READY_WITHIN_MS });
      if (!isUp) throw failed(`was not ready within ${READY_WITHIN_MS} ms`);
    },
    async kill() {
      killNow();
      await ended;
    },
    async stop(patienceMs = PATIENCE_MS) {
      send("SIGTERM");
      const timer = setTimeout(killNow, patienceMs);
      await ended;
      clearTimeout(timer);
      return child?.exitCode ?? null;
    },
    stallOutput() {
      isStalled = true;
      flow?.stall();
    },
    readOutput() {
      isStalled = false;
      flow?.read();
    },
    pause: () => send("SIGSTOP"),
    resume: () => send("SIGCONT"),
    running,
    pid: () => child?.pid,
    ended: () => ended,
    log,
  };
}

type Flow = { read(): void; stall(): void };

/** The way of a child's output into its file, at first stalled. */
function outputOf({ stdout, stderr }: ChildProcess, file: Writable): Flow {
  const streams = [stdout, stderr].filter((stream) => stream !== null);
  return {
    read() {
      for (const stream of streams) stream.pipe(file, { end: false });
    },
    stall() {
      for (const stream of streams) stream.unpipe(file).pause();
    },
  };
}

async function endOf(child: ChildProcess): Promise<string> {
  return await new Promise((resolve) => {
    child.once("exit", (code, signal) => {
      resolve(signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`);
    });
    child.once("error", (error) => resolve(`could not be started: ${error.message}`));
  });
}
