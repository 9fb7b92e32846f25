import { spawn } from "node:child_process";
import { delimiter, join } from "node:path";

export type CommandOptions = {
  readonly root: string;
  readonly signal: AbortSignal;
  /** Default: as long as it takes. */
  readonly withinMs?: number;
  /** Shows the output as it comes, instead of keeping it. */
  readonly live?: boolean;
};

export type CommandResult = {
  /** Null where it was ended: for its time, or by a signal. */
  readonly code: number | null;
  readonly output: string;
};

/** SIGTERM first, so that test runners end what they started. */
const PATIENCE_MS = 10_000;

/** Runs a command in the repository, with the programs of node_modules at hand. */
export async function runCommand(
  command: string,
  args: readonly string[],
  { root, signal, withinMs, live = false }: CommandOptions,
): Promise<CommandResult> {
  signal.throwIfAborted();
  const bin = join(root, "node_modules/.bin");
  const child = spawn(command, args, {
    cwd: root,
    env: {
      ...process.env,
      PATH: `${bin}${delimiter}${process.env["PATH"] ?? ""}`,
      TURBO_TELEMETRY_DISABLED: "1",
    },
    stdio: live ? "inherit" : ["ignore", "pipe", "pipe"],
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
    const late = () => {
      output += `\nended after ${withinMs / 1000} s\n`;
      end();
    };
    timers.push(setTimeout(late, withinMs));
  }
  signal.addEventListener("abort", end, { once: true });
  const code = await new Promise<number | null>((resolve) => {
    child.once("error", (error) => {
      output += error.message;
      resolve(null);
    });
    child.once("close", resolve);
  });
  for (const timer of timers) clearTimeout(timer);
  signal.removeEventListener("abort", end);
  signal.throwIfAborted();
  return { code, output };
}
