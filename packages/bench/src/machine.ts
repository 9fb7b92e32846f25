import { execFileSync } from "node:child_process";
import { cpus, loadavg, release, totalmem, type } from "node:os";
import type { Machine } from "./report/results.ts";

/** The share of the cores that other programs may use before the machine counts as busy. */
const BUSY_SHARE = 0.25;

/** Returns a warning if other programs keep the machine busy, else undefined. */
export function busyness({ loadBefore, cores }: Machine): string | undefined {
  if (loadBefore <= cores * BUSY_SHARE) return undefined;
  const load = `${loadBefore.toFixed(1)} on ${cores} cores`;
  return `the machine is busy (load ${load}): ratios are more reliable than rates`;
}

/** Describes this machine and its load over the last minute. */
export function thisMachine(): Machine {
  const processors = cpus();
  return {
    cpu: processors[0]?.model ?? "unknown",
    cores: processors.length,
    memoryBytes: totalmem(),
    // Only major and minor: what follows depends on who built the kernel.
    os: `${type()} ${/^\d+\.\d+/.exec(release())?.[0] ?? ""}`.trim(),
    node: process.versions.node,
    loadBefore: loadavg()[0] ?? 0,
  };
}

/**
 * Returns the checked-out commit as 12 hexadecimal digits, with a `+` if the work tree has changes, or
 * `unknown` without git or its folder.
 */
export function commitOf(root: string): string {
  try {
    const git = (...args: string[]) =>
      execFileSync("git", args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    return `${git("rev-parse", "--short=12", "HEAD").trim()}${git("status", "--porcelain").trim() === "" ? "" : "+"}`;
  } catch {
    // A copy without the history can be measured, too.
    return "unknown";
  }
}
