import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort, poll } from "@posthaste/testkit";

const root = fileURLToPath(new URL("../../", import.meta.url));
const UP_WITHIN_MS = 180_000;

/** A run of `npm run up`. */
export type Up = {
  readonly child: ChildProcess;
  /** Everything printed so far, to stdout and stderr. */
  output(): string;
  /** Resolves with the exit code. */
  readonly ended: Promise<number | null>;
  /** Waits up to three minutes for a text in the output. */
  says(text: string): Promise<void>;
  /** The printed token; empty until it is printed. */
  token(): string;
};

/** Free ports for `up`, because tests that run at the same time would compete for the default ones. */
export type UpPorts = {
  readonly api: number;
  readonly temporalUi: number;
  /** The command-line flags that select these ports. */
  readonly flags: readonly string[];
};

export async function upPorts(): Promise<UpPorts> {
  const [api, temporal, temporalUi] = [await freePort(), await freePort(), await freePort()];
  const flags = ["--port", api, "--temporal-port", temporal, "--temporal-ui-port", temporalUi].map(String);
  return { api, temporalUi, flags };
}

/**
 * Starts the real `npm run up`, through its front door.
 *
 * @param node runs the front door
 */
export function runUp(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  node = process.execPath,
): Up {
  const child = spawn(node, [join(root, "tools/run.mjs"), "up", ...args], {
    cwd: root,
    env: { ...process.env, INIT_CWD: root, TEMPORAL_ADDRESS: "", POSTHASTE_ADMIN_TOKEN: "", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  let hasEnded = false;
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  void ended.then(() => {
    hasEnded = true;
  });
  return {
    child,
    ended,
    output: () => output,
    async says(text) {
      await poll(() => hasEnded || output.includes(text), { withinMs: UP_WITHIN_MS });
      if (!output.includes(text)) throw new Error(`up did not print "${text}"; its output:\n${output}`);
    },
    token: () => /Token\s+(\S+)/.exec(output)?.[1] ?? "",
  };
}
