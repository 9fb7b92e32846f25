import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { lastLine, runCommand } from "./run-command.ts";
import type { Source } from "./source.ts";

/** How long a download may add no byte. A network that drops packets stalls it without an error. */
const STALLED_AFTER_MS = 20_000;
const WITHIN_MS = 300_000;

/** The SDK downloads a server only to start it, so this script starts one and stops it. */
const PROGRAM = `
const { TestWorkflowEnvironment } = require("@temporalio/testing");
const [kind, downloadDir] = process.argv.slice(1);
const server = { executable: { type: "cached-download", downloadDir } };
const start = kind === "temporal" ? TestWorkflowEnvironment.createLocal : TestWorkflowEnvironment.createTimeSkipping;
start.call(TestWorkflowEnvironment, { server }).then((env) => env.teardown()).catch((error) => {
  console.error(error.message);
  process.exit(1);
});
`;

/** Downloads the version that the SDK chooses, from Temporal's download site. */
export const downloadBySdk: Source = async (program, { dir, env, progress }) => {
  progress(`downloading ${program.name} through the Temporal SDK`);
  const stalled = new AbortController();
  const watch = watchGrowth(dir, () => stalled.abort());
  const { code, output } = await runCommand(process.execPath, ["-e", PROGRAM, program.name, dir], {
    env,
    cwd: fileURLToPath(new URL("..", import.meta.url)),
    withinMs: WITHIN_MS,
    signal: stalled.signal,
  }).finally(() => watch.stop());
  if (code !== 0) {
    const why = code === null ? "the download stalled" : shortened(lastLine(output));
    throw new Error(`the Temporal SDK could not download ${program.name}: ${why}`);
  }
  const [name, ...others] = (await readdir(dir)).filter((file) => file.startsWith("temporal"));
  if (name === undefined || others.length > 0) {
    throw new Error(`the Temporal SDK did not leave exactly one program for ${program.name}`);
  }
  return join(dir, name);
};

/**
 * Returns the end of the SDK's message, which is the cause; the start repeats the address for every layer.
 */
function shortened(message: string): string {
  return message.split(": ").slice(-2).join(": ");
}

function watchGrowth(dir: string, onStall: () => void): { stop(): void } {
  let lastBytes = -1;
  let lastGrowthAt = performance.now();
  const timer = setInterval(async () => {
    const bytes = await bytesIn(dir).catch(() => lastBytes);
    if (bytes !== lastBytes) {
      lastBytes = bytes;
      lastGrowthAt = performance.now();
    } else if (performance.now() - lastGrowthAt > STALLED_AFTER_MS) {
      onStall();
    }
  }, 1000);
  return { stop: () => clearInterval(timer) };
}

async function bytesIn(dir: string): Promise<number> {
  const sizes = await Promise.all(
    (await readdir(dir)).map(async (name) => (await stat(join(dir, name))).size),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
