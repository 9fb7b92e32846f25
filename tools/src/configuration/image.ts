import { runCommand } from "../suite/run-command.ts";

/** The contracts as they were promised last: what `buf breaking` compares with. */
export const IMAGE_PATH = "proto/image.binpb";

const WITHIN_MS = 120_000;

/** Only our own contracts and what they import: the vendored ones are for others to keep. */
export async function buildImage(root: string, to: string, signal: AbortSignal): Promise<void> {
  const args = ["build", "--path", "proto/posthaste", "--exclude-source-info", "-o", to];
  const { code, output } = await runCommand("buf", args, { root, signal, withinMs: WITHIN_MS });
  if (code !== 0) throw new Error(`the contracts could not be built: ${output.trim()}`);
}

/** What the contracts would break for those who use the image's; empty: nothing. */
export async function breakingChanges(root: string, signal: AbortSignal): Promise<string> {
  const args = ["breaking", "proto", "--against", IMAGE_PATH];
  const { code, output } = await runCommand("buf", args, { root, signal, withinMs: WITHIN_MS });
  return code === 0 ? "" : output.trim();
}
