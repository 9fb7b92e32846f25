import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** The resources that a process has used since it started. */
export type ProcessUsage = {
  /** User and kernel time of all its threads. */
  readonly cpuMs: number;
  /** The bytes it has given the file system to write; undefined if this process may not read them. */
  readonly writtenBytes: number | undefined;
  /** The largest resident size; undefined if unknown. */
  readonly peakBytes: number | undefined;
};

/** Returns the usage of a process, or undefined if it has ended or the system has no /proc. */
export function usageOf(pid: number): ProcessUsage | undefined {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The second field is the program's name in brackets, which may contain spaces and brackets.
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
    // The process has ended, belongs to another user, or the system has no such file.
    return undefined;
  }
}
