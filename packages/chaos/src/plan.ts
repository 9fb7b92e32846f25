import { type Random, randomFor } from "./random.ts";

export type Database = "sqlite" | "mysql";
/** `lock` holds SQLite's write lock, since SQLite has no process that could be killed or paused. */
type FaultKind = "kill" | "pause" | "lock";
export type Target = "api 1" | "api 2" | "worker 1" | "worker 2" | "temporal" | "database";

/** One injected fault. */
export type Fault = {
  /** Milliseconds after the start of the run. */
  readonly at: number;
  readonly target: Target;
  readonly kind: FaultKind;
  /** Milliseconds until the process is restarted or resumed, or the lock is released. */
  readonly forMs: number;
};

/** The time between faults: short enough that they overlap, long enough that work gets done. */
const GAP_MS = [700, 3_000] as const;
const KILLED_MS = [100, 3_000] as const;
/** Some pauses of a worker outlast its heartbeat timeout (5 s), so that it wakes up as a zombie. */
const PAUSED_MS = { min: 300, max: 9_000 };
/** SQLite's writers wait 10 s for the lock, which a paused process may hold. */
const PAUSED_SQLITE_MS_MAX = 7_000;
const LOCKED_MS = [300, 5_000] as const;
/** The time a process gets to recover before it can fail again. */
const RECOVERY_MS = 4_000;

const TARGETS: readonly [Target, ...Target[]] = [
  "api 1",
  "api 2",
  // Twice, because an attempt that is cut off in the middle matters most.
  ...(["worker 1", "worker 2", "worker 1", "worker 2"] as const),
  "temporal",
  "database",
];

/** Plans the faults of a run; the same seed gives the same plan. No target has two faults at once. */
export function planFaults(options: { seed: number; seconds: number; database: Database }): Fault[] {
  const { seed, seconds, database } = options;
  const random = randomFor(seed, "faults", database);
  const freeAt = new Map<Target, number>();
  const faults: Fault[] = [];
  for (let at = random.between(...GAP_MS); at < seconds * 1_000; at += random.between(...GAP_MS)) {
    const fault = { at, ...choose(random, database) };
    if ((freeAt.get(fault.target) ?? 0) > at) continue;
    freeAt.set(fault.target, at + fault.forMs + RECOVERY_MS);
    faults.push(fault);
  }
  return faults;
}

function choose(random: Random, database: Database): Omit<Fault, "at"> {
  const target = random.pick(TARGETS);
  const kind = random.pick<"kill" | "pause">(["kill", "pause"]);
  if (target === "database" && database === "sqlite") {
    return { target, kind: "lock", forMs: random.between(...LOCKED_MS) };
  }
  if (kind === "kill") return { target, kind, forMs: random.between(...KILLED_MS) };
  const max = database === "sqlite" ? PAUSED_SQLITE_MS_MAX : PAUSED_MS.max;
  return { target, kind, forMs: random.between(PAUSED_MS.min, max) };
}
