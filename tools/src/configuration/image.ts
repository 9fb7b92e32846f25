import { runCommand } from "../suite/run-command.ts";

/** The published contracts, with which `buf breaking` compares the current ones. */
export const IMAGE_PATH = "proto/image.binpb";

const WITHIN_MS = 120_000;

/**
 * Writes an image of the contracts in proto/posthaste and their imports, without the other vendored files.
 */
export async function buildImage(root: string, to: string, signal: AbortSignal): Promise<void> {
  const args = ["build", "--path", "proto/posthaste", "--exclude-source-info", "-o", to];
  const { code, output } = await runCommand("buf", args, { root, signal, withinMs: WITHIN_MS });
  if (code !== 0) throw new Error(`the contracts could not be built: ${output.trim()}`);
}

/** Returns buf's report of the breaking changes since the image; empty if there are none. */
export async function breakingChanges(root: string, signal: AbortSignal): Promise<string> {
  const args = ["breaking", "proto", "--against", IMAGE_PATH];
  const { code, output } = await runCommand("buf", args, { root, signal, withinMs: WITHIN_MS });
  return code === 0 ? "" : output.trim();
}
