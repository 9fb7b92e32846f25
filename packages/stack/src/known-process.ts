import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { poll } from "@posthaste/testkit";

/** A process that can be recognised later, even if its number has been reused. */
export type KnownProcess = {
  readonly pid: number;
  /** The start time in the system's notation. It differs between two processes with the same number. */
  readonly born: string;
};

/** Returns the process with this number, or undefined if there is none. */
export function knownProcess(pid: number): KnownProcess | undefined {
  const born = bornOf(pid);
  return born === undefined ? undefined : { pid, born };
}

/** Returns whether this process still runs. A zombie (ended, but not yet collected) does not. */
export function isAlive(known: KnownProcess): boolean {
  return bornOf(known.pid) === known.born;
}

const KILLED_WITHIN_MS = 5_000;

/** Ends a process, if it still runs, with SIGTERM, and with SIGKILL after `patienceMs`. */
export async function endKnown(known: KnownProcess, patienceMs: number): Promise<void> {
  const hasEnded = () => !isAlive(known);
  if (hasEnded()) return;
  process.kill(known.pid, "SIGTERM");
  if (await poll(hasEnded, { withinMs: patienceMs })) return;
  process.kill(known.pid, "SIGKILL");
  await poll(hasEnded, { withinMs: KILLED_WITHIN_MS });
}

function bornOf(pid: number): string | undefined {
  return existsSync("/proc/self/stat") ? bornByProc(pid) : bornByPs(pid);
}

/** Field 22 of the stat line counts ticks since the boot, so the id of the boot is part of the result. */
function bornByProc(pid: number): string | undefined {
  const stat = readIfThere(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The second field is the program's name in brackets, which may contain spaces and brackets.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state, ticks] = [fields[0], fields[19]];
  if (state === "Z" || state === "X" || ticks === undefined) return undefined;
  return `${readIfThere("/proc/sys/kernel/random/boot_id")?.trim()} ${ticks}`;
}

function bornByPs(pid: number): string | undefined {
  try {
    const text = execFileSync("ps", ["-o", "stat=,lstart=", "-p", String(pid)], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    const [state = "", ...born] = text.trim().split(/\s+/);
    return state === "" || state.startsWith("Z") ? undefined : born.join(" ");
  } catch {
    // ps fails if there is no such process.
    return undefined;
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // The process has ended, or the file does not exist.
    return undefined;
  }
}
