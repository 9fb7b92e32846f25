import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, renameSync } from "node:fs";

/** A long-running process of ours, with its output in a file. */
export type Child = {
  readonly name: string;
  readonly pid: number;
  readonly logPath: string;
  /** Resolves with a sentence that says how it ended. */
  readonly ended: Promise<string>;
  isRunning(): boolean;
  /** SIGTERM, and SIGKILL after `patienceMs`. Resolves once it is gone. */
  stop(patienceMs: number): Promise<void>;
  kill(): void;
};

export type ChildOptions = {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly logPath: string;
  /** Opens a channel whose end tells the child that we are gone; for programs that listen to it. */
  readonly tether: boolean;
};

/**
 * Starts a process in a session of its own, so that a terminal's Ctrl-C reaches it only through us. The log of the
 * time before is kept beside the new one, as `NAME.log.1`.
 */
export async function startChild(options: ChildOptions): Promise<Child> {
  const { name, command, args, cwd, env, logPath, tether } = options;
  if (existsSync(logPath)) renameSync(logPath, `${logPath}.1`);
  const log = openSync(logPath, "a", 0o600);
  const child = spawn(command, args, {
    cwd,
    env,
    detached: true,
    stdio: tether ? ["ignore", log, log, "ipc"] : ["ignore", log, log],
  });
  closeSync(log);
  const ended = new Promise<string>((resolve) => {
    child.once("exit", (code, signal) => {
      resolve(signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`);
    });
    child.once("error", (error) => resolve(`could not be started: ${error.message}`));
  });
  if (child.pid === undefined) throw new Error(`${name} ${await ended}`);
  const running = () => child.exitCode === null && child.signalCode === null;
  return {
    name,
    pid: child.pid,
    logPath,
    ended,
    isRunning: running,
    async stop(patienceMs) {
      if (!running()) return;
      child.kill("SIGTERM");
      const timer = setTimeout(() => killGroup(child), patienceMs);
      await ended;
      clearTimeout(timer);
    },
    kill: () => {
      if (running()) killGroup(child);
    },
  };
}

/** The last lines of a process's log, for a person who wants to know why it died. */
export function lastLogLines(logPath: string, count: number): string {
  if (!existsSync(logPath)) return "";
  return readFileSync(logPath, "utf8").trimEnd().split("\n").slice(-count).join("\n");
}

/** With whatever it started itself. */
function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It ended just now.
  }
}
