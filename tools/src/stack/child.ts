import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** A process under test: started, killed and started again with the same command. */
export type Child = {
  start(): Promise<void>;
  /** Ends it without any chance to tidy up, and waits until it is gone. */
  kill(): Promise<void>;
  /** Ends it as an operator would. Resolves with its exit code. */
  stop(): Promise<number | null>;
  /** Freezes it: its sockets stay open and answer nothing. */
  pause(): void;
  resume(): void;
  running(): boolean;
  /** Undefined: it was not started yet. */
  pid(): number | undefined;
  /** What it has written so far. */
  log(): string;
};

export type ChildOptions = {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly logPath: string;
  /** Resolves true once it is ready to be used. */
  readonly isReady: () => Promise<boolean>;
};

const READY_WITHIN_MS = 60_000;

export function createChild({ command, args, env, logPath, isReady }: ChildOptions): Child {
  let child: ChildProcess | undefined;
  let gone: Promise<number | null> = Promise.resolve(null);

  const signal = (name: NodeJS.Signals) => {
    if (child?.exitCode === null && child.signalCode === null) child.kill(name);
  };
  return {
    async start() {
      // Written by the child itself: what goes through this process would cost it time that it measures.
      const log = openSync(logPath, "a");
      const started = spawn(command, args, {
        env: { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "", ...env },
        stdio: ["ignore", log, log],
      });
      closeSync(log);
      child = started;
      gone = new Promise((resolve) => started.once("exit", (code) => resolve(code)));
      await until(async () => {
        if (started.exitCode !== null)
          throw new Error(
            `${command} ended with ${started.exitCode}: ${readFileSync(logPath, "utf8").slice(-500)}`,
          );
        return await isReady().catch(() => false);
      }, READY_WITHIN_MS);
    },
    async kill() {
      signal("SIGKILL");
      await gone;
    },
    async stop() {
      signal("SIGTERM");
      return await gone;
    },
    pause: () => signal("SIGSTOP"),
    resume: () => signal("SIGCONT"),
    log: () => readFileSync(logPath, "utf8"),
    pid: () => child?.pid,
    running: () => child !== undefined && child.exitCode === null && child.signalCode === null,
  };
}

/** Asks until the answer is yes. */
export async function until(condition: () => Promise<boolean> | boolean, withinMs: number): Promise<void> {
  const endAt = Date.now() + withinMs;
  while (!(await condition())) {
    if (Date.now() > endAt) throw new Error(`not so within ${withinMs} ms`);
    await sleep(25);
  }
}
