import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort, poll } from "@posthaste/testkit";

const root = fileURLToPath(new URL("../../", import.meta.url));
const UP_WITHIN_MS = 180_000;

/** A run of `npm run up`. */
export type Up = {
  readonly child: ChildProcess;
  /** All that it printed so far. */
  output(): string;
  /** Resolves with its exit code. */
  readonly ended: Promise<number | null>;
  /** Waits for a text, and fails with all that was printed where it does not come. */
  says(text: string): Promise<void>;
  /** The token that it printed; empty before that. */
  token(): string;
};

/** Ports for runs of `up` that have them to themselves: the usual ones are what another run takes at the same moment. */
export type UpPorts = {
  readonly api: number;
  readonly temporalUi: number;
  /** That have `up` use them. */
  readonly flags: readonly string[];
};

export async function upPorts(): Promise<UpPorts> {
  const [api, temporal, temporalUi] = [await freePort(), await freePort(), await freePort()];
  const flags = ["--port", api, "--temporal-port", temporal, "--temporal-ui-port", temporalUi].map(String);
  return { api, temporalUi, flags };
}

/**
 * Starts the real `npm run up`, from its front door on.
 *
 * @param node that it is begun with
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
  let isOver = false;
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  void ended.then(() => {
    isOver = true;
  });
  return {
    child,
    ended,
    output: () => output,
    async says(text) {
      await poll(() => isOver || output.includes(text), { withinMs: UP_WITHIN_MS });
      if (!output.includes(text)) throw new Error(`it never said ${text}, but this:\n${output}`);
    },
    token: () => /Token\s+(\S+)/.exec(output)?.[1] ?? "",
  };
}
