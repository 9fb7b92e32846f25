import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** What a process has used since it started. */
export type ProcessUsage = {
  /** Of all its threads, in user and kernel mode. */
  readonly cpuMs: number;
  /** What it caused to be written to disk; undefined where that may not be seen. */
  readonly writtenBytes: number | undefined;
  /** The most memory that was resident at once. */
  readonly peakBytes: number | undefined;
};

/** @returns undefined where the process is gone, or on systems without /proc */
export function usageOf(pid: number): ProcessUsage | undefined {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The second field is the program's name in brackets, and may hold spaces and brackets itself.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  return {
    cpuMs: (ticks * 1_000) / ticksPerSecond(),
    writtenBytes: numberAfter(read(`/proc/${pid}/io`), /^write_bytes: (\d+)/m),
    peakBytes: scaled(numberAfter(read(`/proc/${pid}/status`), /^VmHWM:\s+(\d+) kB/m), 1_024),
  };
}

let knownTicks: number | undefined;
function ticksPerSecond(): number {
  knownTicks ??= Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
  return knownTicks;
}

function numberAfter(text: string | undefined, pattern: RegExp): number | undefined {
  const found = text === undefined ? undefined : pattern.exec(text)?.[1];
  return found === undefined ? undefined : Number(found);
}

function scaled(value: number | undefined, by: number): number | undefined {
  return value === undefined ? undefined : value * by;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // The process is gone, or belongs to somebody else, or this system has no such file.
    return undefined;
  }
}
