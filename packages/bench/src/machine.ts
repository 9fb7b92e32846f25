import { execFileSync } from "node:child_process";
import { cpus, loadavg, release, totalmem, type } from "node:os";
import type { Machine } from "./report/results.ts";

/** Of its cores: with more wanted by others, rates say little; ratios hold better. */
const BUSY_SHARE = 0.25;

/** A sentence, where others keep the machine busy. */
export function busyness({ loadBefore, cores }: Machine): string | undefined {
  if (loadBefore <= cores * BUSY_SHARE) return undefined;
  return `the machine is busy (load ${loadBefore.toFixed(1)} on ${cores} cores): ratios hold better than rates do`;
}

export function thisMachine(): Machine {
  const processors = cpus();
  return {
    cpu: processors[0]?.model ?? "unknown",
    cores: processors.length,
    memoryBytes: totalmem(),
    // What a kernel's builder appends to its version says nothing here.
    os: `${type()} ${/^\d+\.\d+/.exec(release())?.[0] ?? ""}`.trim(),
    node: process.versions.node,
    loadBefore: loadavg()[0] ?? 0,
  };
}

/** @returns `unknown` where git or its folder is missing; with a `+` where what is measured was changed since */
export function commitOf(root: string): string {
  try {
    const git = (...args: string[]) =>
      execFileSync("git", args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    return `${git("rev-parse", "--short=12", "HEAD").trim()}${git("status", "--porcelain").trim() === "" ? "" : "+"}`;
  } catch {
    // An export without its history is measured like any other.
    return "unknown";
  }
}
