import { type Random, randomFor } from "@posthaste/testkit";

export type Database = "sqlite" | "mysql";

/** What a fault does to its target. */
export type FaultKind = "kill" | "pause" | "away" | "lock" | "silence" | "fill" | "stall" | "refuse";
export type Target =
  | ("api 1" | "api 2" | "worker 1" | "worker 2" | "temporal" | "database")
  | ("database disk" | "log disk" | "log pipe" | "flush");

/** One injected fault. */
export type Fault = {
  /** Milliseconds after the start of the run. */
  readonly at: number;
  readonly target: Target;
  readonly kind: FaultKind;
  /** Milliseconds until the process is restarted or resumed, or the fault ends otherwise. */
  readonly forMs: number;
};

/** The kinds of traffic that act now and then, beside the events that are sent all the time. */
export const TRAFFIC_KINDS = [
  ...(["fan-out", "guest", "recovery", "pause", "move"] as const),
  ...(["erasure", "lane", "retention"] as const),
] as const;
export type TrafficKind = (typeof TRAFFIC_KINDS)[number];

/** One act of a kind of traffic. */
export type Act = {
  readonly at: number;
  readonly kind: TrafficKind;
  /** 0 for the first of its kind. */
  readonly n: number;
};

export type PlanOptions = {
  readonly seed: number;
  /** How long faults are injected. */
  readonly seconds: number;
  readonly database: Database;
  /** Whether small disks can be mounted and filled. */
  readonly hasDisks: boolean;
};

/** The time between ordinary faults: short enough that they overlap, long enough that work gets done. */
const GAP_MS = [700, 3_000] as const;
const KILLED_MS = [100, 3_000] as const;
/** Some pauses of a worker outlast its leases (2 s in these runs), so that it wakes up as a zombie. */
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

type Special = Pick<Fault, "target" | "kind"> & {
  readonly needs: (options: PlanOptions) => boolean;
  /** @param partS the seconds of its part of the run: {@link SPECIAL_EVERY_S} at most */
  readonly forMs: (partS: number) => readonly [number, number];
};

/** Each of these happens once in every run, and again for each further {@link SPECIAL_EVERY_S}. */
const SPECIALS: readonly Special[] = [
  {
    ...({ target: "temporal", kind: "away" } as const),
    needs: () => true,
    forMs: (partS) => [partS * 200, partS * 300],
  },
  // Some outlast the 6 s after which a statement's connection is given up; others are only slow.
  {
    ...({ target: "database", kind: "silence" } as const),
    needs: ({ database }) => database === "mysql",
    forMs: () => [3_000, 9_000],
  },
  // Longer than the heartbeat timeout of retries (30 s). On SQLite it might hold the write lock for as long.
  {
    ...({ target: "worker 2", kind: "pause" } as const),
    needs: ({ database, seconds }) => database === "mysql" && seconds >= SPECIAL_EVERY_S,
    forMs: () => [31_000, 35_000],
  },
  {
    ...({ target: "database disk", kind: "fill" } as const),
    needs: ({ database, hasDisks }) => database === "sqlite" && hasDisks,
    forMs: () => [1_000, 4_000],
  },
  {
    ...({ target: "flush", kind: "refuse" } as const),
    needs: ({ database }) => database === "sqlite",
    forMs: () => [500, 3_000],
  },
  {
    ...({ target: "log disk", kind: "fill" } as const),
    needs: ({ hasDisks }) => hasDisks,
    forMs: () => [1_000, 5_000],
  },
  { ...({ target: "log pipe", kind: "stall" } as const), needs: () => true, forMs: () => [2_000, 6_000] },
];
const SPECIAL_EVERY_S = 60;
/** The part of its time in which a special fault begins: there is traffic before it and time after it. */
const SPECIAL_WITHIN = { from: 0.1, to: 0.8 };

/**
 * Once in a long run, Temporal is away for minutes: what was started before must go on after it. It begins in
 * this part of the run, so that even the shortest of them has time after it.
 */
const LONG_OUTAGE = { runS: 300, forMs: [120_000, 180_000], from: 0.1, to: 0.3 } as const;

/** Plans the faults of a run; the same seed gives the same plan. No target has two faults at once. */
export function planFaults(options: PlanOptions): Fault[] {
  const { seed, seconds, database } = options;
  const random = randomFor(seed, "faults", database);
  const faults: Fault[] = [];
  const add = (fault: Fault) => {
    if (!faults.some((other) => collide(fault, other, database))) faults.push(fault);
  };
  // The first one of those that collide stays.
  for (const fault of [...planLongOutage(options), ...planSpecials(options)]) add(fault);
  for (let at = random.between(...GAP_MS); at < seconds * 1_000; at += random.between(...GAP_MS)) {
    add({ at, ...choose(random, database) });
  }
  return faults.sort((one, other) => one.at - other.at);
}

/** The time without faults after them, in milliseconds: what is still waiting then waits for no fault. */
export function calmMs(seconds: number): number {
  return Math.min(Math.max(seconds * 300, 6_000), 30_000);
}

/** The time between two acts of a kind, in milliseconds, from the beginning of one to that of the next. */
const ACTS_EVERY_MS: Readonly<Record<TrafficKind, readonly [number, number]>> = {
  // Two workers on two cores need about this long for three thousand deliveries.
  "fan-out": [20_000, 30_000],
  guest: [6_000, 10_000],
  recovery: [5_000, 9_000],
  pause: [2_000, 5_000],
  move: [1_500, 4_000],
  erasure: [5_000, 9_000],
  lane: [4_000, 9_000],
  retention: [1_500, 3_000],
};
/** Each kind acts for the first time within this time, so that a short run has all of them. */
const FIRST_ACT_MS = [500, 5_000] as const;

/** Plans when each kind of traffic acts, also during the calm. */
export function planTraffic({ seed, seconds }: Pick<PlanOptions, "seed" | "seconds">): Act[] {
  const acts = TRAFFIC_KINDS.flatMap((kind) => {
    const random = randomFor(seed, "traffic", kind);
    const ofKind: Act[] = [];
    const end = seconds * 1_000 + calmMs(seconds) / 2;
    for (let at = random.between(...FIRST_ACT_MS); at < end; at += random.between(...ACTS_EVERY_MS[kind])) {
      ofKind.push({ at, kind, n: ofKind.length });
    }
    return ofKind;
  });
  return acts.sort((one, other) => one.at - other.at);
}

function planLongOutage({ seed, seconds, database }: PlanOptions): Fault[] {
  const { runS, forMs, from, to } = LONG_OUTAGE;
  if (seconds < runS) return [];
  const random = randomFor(seed, "long outage", database);
  const at = random.between(Math.round(seconds * 1_000 * from), Math.round(seconds * 1_000 * to));
  return [{ at, target: "temporal", kind: "away", forMs: random.between(...forMs) }];
}

function planSpecials(options: PlanOptions): Fault[] {
  const { seed, seconds, database } = options;
  return SPECIALS.filter(({ needs }) => needs(options)).flatMap(({ target, kind, forMs }) => {
    const random = randomFor(seed, "special", target, database);
    const times = Math.ceil(seconds / SPECIAL_EVERY_S);
    const part = (seconds * 1_000) / times;
    return Array.from({ length: times }, (_, n) => {
      const [from, to] = [SPECIAL_WITHIN.from, SPECIAL_WITHIN.to].map((share) =>
        Math.round((n + share) * part),
      );
      return {
        at: random.between(from ?? 0, to ?? 0),
        target,
        kind,
        forMs: random.between(...forMs(part / 1_000)),
      };
    });
  });
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

function collide(one: Fault, other: Fault, database: Database): boolean {
  if (resourceOf(one, database) !== resourceOf(other, database)) return false;
  const [first, second] = one.at < other.at ? [one, other] : [other, one];
  return second.at < first.at + first.forMs + RECOVERY_MS;
}

/** SQLite's lock, disk and flush are one thing: two of their faults at once would show only one. */
function resourceOf({ target }: Fault, database: Database): string {
  const isOfFile = target === "database" || target === "database disk" || target === "flush";
  return database === "sqlite" && isOfFile ? "database file" : target;
}
