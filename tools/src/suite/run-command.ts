import { spawn } from "node:child_process";
import { delimiter, join } from "node:path";
// Not from the package, which loads the whole product.
import { killGroup } from "../../../packages/stack/src/kill-group.ts";

export type CommandOptions = {
  readonly root: string;
  readonly signal: AbortSignal;
  /** The time limit. Default: none. */
  readonly withinMs?: number;
  /** True: prints the output as it arrives, instead of capturing it. */
  readonly live?: boolean;
  /** Further environment, which overrides this process's. */
  readonly env?: Readonly<Record<string, string>>;
};

export type CommandResult = {
  /** Null if a signal or the time limit ended the command, or if it could not be started. */
  readonly code: number | null;
  readonly output: string;
};

/** The time from SIGTERM to SIGKILL, in which a test runner ends its child processes. */
const PATIENCE_MS = 10_000;

/**
 * Runs a command in the repository, with the programs of node_modules on PATH. When it has ended, kills the
 * processes that it left: a test runner that is stopped ends its tests before they end what they started.
 *
 * @throws the signal's reason if it is aborted, after the command has ended
 */
export async function runCommand(
  command: string,
  args: readonly string[],
  { root, signal, withinMs, live = false, env = {} }: CommandOptions,
): Promise<CommandResult> {
  signal.throwIfAborted();
  const bin = join(root, "node_modules/.bin");
  const child = spawn(command, args, {
    cwd: root,
    env: {
      ...process.env,
      PATH: `${bin}${delimiter}${process.env["PATH"] ?? ""}`,
      TURBO_TELEMETRY_DISABLED: "1",
      ...env,
    },
    stdio: live ? "inherit" : ["ignore", "pipe", "pipe"],
    // It leads a process group of its own.
    detached: true,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const timers: NodeJS.Timeout[] = [];
  const end = () => {
    child.kill("SIGTERM");
    timers.push(setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS));
  };
  if (withinMs !== undefined) {
    const timeOut = () => {
      output += `\nended after ${withinMs / 1000} s\n`;
      end();
    };
    timers.push(setTimeout(timeOut, withinMs));
  }
  signal.addEventListener("abort", end, { once: true });
  const code = await new Promise<number | null>((resolve) => {
    child.once("error", (error) => {
      output += error.message;
      resolve(null);
    });
    child.once("exit", () => killGroup(child.pid));
    child.once("close", resolve);
  });
  for (const timer of timers) clearTimeout(timer);
  signal.removeEventListener("abort", end);
  signal.throwIfAborted();
  return { code, output };
}
