import { Complaint } from "@posthaste/runtime/terminal";
import { runCommand } from "./run-command.ts";

/** turbo's arguments. It rebuilds every package that changed since the last build. */
export const BUILD = ["run", "build", "--output-logs=errors-only"] as const;

/**
 * Builds every package that changed.
 *
 * @throws Complaint with the build's output if the build fails
 */
export async function build(root: string, signal: AbortSignal): Promise<void> {
  const { code, output } = await runCommand("turbo", BUILD, { root, signal });
  if (code !== 0) throw new Complaint("the build failed; its output is above", output.trimEnd());
}
