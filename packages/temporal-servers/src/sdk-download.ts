import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { lastLine, runCommand } from "./run-command.ts";
import type { Source } from "./source.ts";

/** A download that adds no byte for this long has stalled: a network that drops what it does not allow. */
const STALLED_AFTER_MS = 20_000;
const WITHIN_MS = 300_000;

/** The SDK downloads only on the way to starting a server, so start one and stop it. */
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

/** The version that the SDK thinks best for itself, from Temporal's own download site. */
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
    const why = code === null ? "it came to a standstill" : shortened(lastLine(output));
    throw new Error(`the Temporal SDK could not download ${program.name}: ${why}`);
  }
  const [name, ...others] = (await readdir(dir)).filter((file) => file.startsWith("temporal"));
  if (name === undefined || others.length > 0) {
    throw new Error(`the Temporal SDK left no single program behind for ${program.name}`);
  }
  return join(dir, name);
};

/** The SDK's message repeats the address for every layer; the last part is the cause. */
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
