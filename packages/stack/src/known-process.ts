import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { poll } from "@posthaste/testkit";

/** A process that can be recognised later, when its number may belong to another. */
export type KnownProcess = {
  readonly pid: number;
  /** When it started, in the system's own terms: two processes with one number differ in this. */
  readonly born: string;
};

/** @returns undefined where there is no such process */
export function knownProcess(pid: number): KnownProcess | undefined {
  const born = bornOf(pid);
  return born === undefined ? undefined : { pid, born };
}

/**
 * Whether this very process is still there. A zombie is not: nobody has collected it, but it runs no more.
 */
export function isAlive(known: KnownProcess): boolean {
  return bornOf(known.pid) === known.born;
}

const KILLED_WITHIN_MS = 5_000;

/** Ends a process if it is still the one we knew: SIGTERM, and SIGKILL after `patienceMs`. */
export async function endKnown(known: KnownProcess, patienceMs: number): Promise<void> {
  const gone = () => !isAlive(known);
  if (gone()) return;
  process.kill(known.pid, "SIGTERM");
  if (await poll(gone, { withinMs: patienceMs })) return;
  process.kill(known.pid, "SIGKILL");
  await poll(gone, { withinMs: KILLED_WITHIN_MS });
}

function bornOf(pid: number): string | undefined {
  return existsSync("/proc/self/stat") ? bornByProc(pid) : bornByPs(pid);
}

/** Field 22 of the status line counts ticks since the boot, so the boot's id belongs to it. */
function bornByProc(pid: number): string | undefined {
  const stat = readIfThere(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The second field is the program's name in brackets, and may hold spaces and brackets itself.
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
    // ps fails where there is no such process.
    return undefined;
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // Gone, or never there.
    return undefined;
  }
}
