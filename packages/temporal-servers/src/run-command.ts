import { spawn } from "node:child_process";

export type CommandResult = {
  /** The exit code; null where it was ended for its time, or by a signal. */
  readonly code: number | null;
  /** What it wrote to standard output and error, in the order it came. */
  readonly output: string;
};

export type CommandOptions = {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** It is ended (SIGKILL) after this long. */
  readonly withinMs: number;
  /** Ends it earlier. */
  readonly signal?: AbortSignal;
};

/** Runs a command to its end. A command that is not there has the code 127, as in a shell. */
export function runCommand(
  command: string,
  args: readonly string[],
  { env, cwd, withinMs, signal }: CommandOptions,
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { env, cwd, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const end = () => child.kill("SIGKILL");
    const timer = setTimeout(end, withinMs);
    signal?.addEventListener("abort", end, { once: true });
    const settle = (code: number | null) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve({ code, output });
    };
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
    }
    child.on("error", (error) => {
      output += String(error);
      settle(127);
    });
    child.on("close", settle);
  });
}

/** The last line that says something, for a message of one line. */
export function lastLine(output: string): string {
  return output.trim().split("\n").at(-1)?.trim() ?? "";
}
