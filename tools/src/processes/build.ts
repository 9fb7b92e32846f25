import { spawn } from "node:child_process";
import { join } from "node:path";
import { Complaint } from "@posthaste/runtime/terminal";

/**
 * Builds every package that changed since the last time.
 *
 * @throws Complaint with what the build said
 */
export async function build(root: string, signal: AbortSignal): Promise<void> {
  const child = spawn(join(root, "node_modules/.bin/turbo"), ["run", "build", "--output-logs=errors-only"], {
    cwd: root,
    env: { ...process.env, TURBO_TELEMETRY_DISABLED: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const stop = () => child.kill("SIGTERM");
  signal.addEventListener("abort", stop, { once: true });
  const code = await new Promise<number | null>((resolve) => {
    child.once("error", (error) => {
      output += error.message;
      resolve(null);
    });
    child.once("close", resolve);
  });
  signal.removeEventListener("abort", stop);
  signal.throwIfAborted();
  if (code !== 0) throw new Complaint("the build failed; what it said is above", output.trimEnd());
}
