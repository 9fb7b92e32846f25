import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, renameSync } from "node:fs";
import { MINUTE_MS } from "@posthaste/domain";
import { until } from "@posthaste/testkit";

/** A process of ours, with its output in a file: started, ended and started again with the same command. */
export type Child = {
  readonly name: string;
  readonly logPath: string;
  /** Starts it, and waits until it is ready. */
  start(): Promise<void>;
  /** Starts it without waiting. Resolves with its number. */
  launch(): Promise<number>;
  isReady(): Promise<boolean>;
  /** Ends it without any chance to tidy up. Resolves once it is gone. */
  kill(): Promise<void>;
  /** Ends it as an operator would, and kills it after `patienceMs`. @returns its exit code, if any */
  stop(patienceMs?: number): Promise<number | null>;
  /** Freezes it: its sockets stay open and answer nothing. */
  pause(): void;
  resume(): void;
  running(): boolean;
  /** Undefined: it was not started yet. */
  pid(): number | undefined;
  /** Resolves with words that say how it ended, since it was started last. */
  ended(): Promise<string>;
  /** What it has written so far. */
  log(): string;
};

/** What is started, and how one knows that it can be used. */
export type Program = {
  /** For a person. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** All of it: nothing is taken from this process's own. */
  readonly env: Env;
  /** Never rejects. */
  readonly isReady: () => Promise<boolean>;
};

/** An environment; undefined: the variable is not set. */
export type Env = Readonly<Record<string, string | undefined>>;

export type ChildOptions = Program & {
  /** What an earlier process left there is kept beside it, as `NAME.log.1`. */
  readonly logPath: string;
  readonly cwd: string;
  /** In a session of its own: Ctrl-C reaches it only through us, and a kill reaches all that it started. */
  readonly detached?: boolean;
  /** Opens a channel whose end tells the child that we are gone; for programs that listen to it. */
  readonly tethered?: boolean;
};

const READY_WITHIN_MS = MINUTE_MS;
/** The worker finishes its attempts, which take up to 40 s. */
const PATIENCE_MS = MINUTE_MS;
/** Of its log, in the error of one that ends as it starts. */
const LOG_CHARS_SHOWN = 500;

export function createChild(options: ChildOptions): Child {
  const { name, command, args, env, cwd, logPath, isReady, detached = false, tethered = false } = options;
  let child: ChildProcess | undefined;
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
    // Written by the child itself: what goes through this process would cost it time that it measures.
    const output = openSync(logPath, "a", 0o600);
    child = spawn(command, args, {
      cwd,
      env,
      detached,
      stdio: tethered ? ["ignore", output, output, "ipc"] : ["ignore", output, output],
    });
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
    async start() {
      await launch();
      const ready = async () => {
        if (!running()) throw new Error(`${name} ${await ended}: ${log().slice(-LOG_CHARS_SHOWN)}`);
        return await isReady();
      };
      await until(ready, { withinMs: READY_WITHIN_MS }, `${name} was not ready`);
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
    pause: () => send("SIGSTOP"),
    resume: () => send("SIGCONT"),
    running,
    pid: () => child?.pid,
    ended: () => ended,
    log,
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

/** With whatever it started itself. */
function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It ended just now.
  }
}
