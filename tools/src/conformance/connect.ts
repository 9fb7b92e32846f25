import { join } from "node:path";
import { runCommand } from "../suite/run-command.ts";
import type { StepResult } from "../suite/step.ts";
import { othersSuite, type SuiteContext } from "./others-suite.ts";
import { CACHE, goProgram, goSources, PINS } from "./toolchains.ts";

const MODULE = "connectrpc.com/conformance";
const RUN_WITHIN_MS = 600_000;

/** Connect's own suite: what the API answers over Connect, gRPC and gRPC-Web. */
export const connectStep = othersSuite("connectconformance", async (context) => {
  const runner = await goProgram(`${MODULE}/cmd/connectconformance`, context);
  // Loads the whole API.
  const { startServers } = await import("./connect-servers.ts");
  const servers = await startServers(await contractOf(context));
  const program = [process.execPath, "tools/src/conformance/connect-program.mjs", servers.url];
  const options = [
    "--conf",
    join(PINS, "connect.yaml"),
    "--known-failing",
    `@${join(PINS, "connect-known.txt")}`,
  ];
  try {
    const args = ["--mode", "server", ...options, "--", ...program];
    return countCases((await runCommand(runner, args, { ...context, withinMs: RUN_WITHIN_MS })).output);
  } finally {
    await servers.stop();
  }
});

/** Compiles the contract of the suite's service, which comes with its sources. Returns its path. */
async function contractOf(context: SuiteContext): Promise<string> {
  const contract = join(context.root, CACHE, "connect.binpb");
  const sources = join(await goSources(MODULE, context), "proto");
  const { code, output } = await runCommand("buf", ["build", sources, "-o", contract], context);
  if (code !== 0) throw new Error(`buf cannot compile ${sources}: ${output}`);
  return contract;
}

/** Reads the counts at the end of the suite's output. A case that is known to fail counts as neither. */
export function countCases(output: string): StepResult {
  const [, passed, failed] = /^(\d+) passed, (\d+) failed$/m.exec(output) ?? [];
  if (passed === undefined || failed === undefined) return { passed: 0, failed: 1, details: output };
  const counts = { passed: Number(passed), failed: Number(failed) };
  if (counts.failed === 0) return counts;
  const failures = [...output.matchAll(/^FAILED: (.*?):?$/gm)].map(([, name]) => `failed: ${name}`);
  return { ...counts, details: output, failures };
}
