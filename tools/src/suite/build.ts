import { Complaint } from "@posthaste/runtime/terminal";
import { runCommand } from "./run-command.ts";

/** For turbo: every package that changed since the last time. */
export const BUILD = ["run", "build", "--output-logs=errors-only"] as const;

/** @throws Complaint with what the build said */
export async function build(root: string, signal: AbortSignal): Promise<void> {
  const { code, output } = await runCommand("turbo", BUILD, { root, signal });
  if (code !== 0) throw new Complaint("the build failed; what it said is above", output.trimEnd());
}
