import { spawn } from "node:child_process";

export type CommandResult = {
  /** The exit code; null if a signal ended the command, as after a timeout. */
  readonly code: number | null;
  /** Standard output and standard error, interleaved as they arrived. */
  readonly output: string;
};

export type CommandOptions = {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** The time in milliseconds after which the command is killed (SIGKILL). */
  readonly withinMs: number;
  /** Kills the command when it aborts. */
  readonly signal?: AbortSignal;
};

/** Runs a command until it ends. A command that is not found has the code 127, as in a shell. */
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

/** Returns the last line that is not blank, for a message of one line. */
export function lastLine(output: string): string {
  return output.trim().split("\n").at(-1)?.trim() ?? "";
}
