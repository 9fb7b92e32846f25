import { uptime } from "node:os";
import type { Log } from "@posthaste/runtime";
import type { ClockReading } from "./dialect/seam.ts";
import type { Store } from "./store.ts";

/**
 * The installation's clock. Leases, cut-offs and due times are written by one process and compared by
 * another, so all processes take their time from here and none from its own machine.
 */
export type Clock = {
  /** Returns the time of the database's clock, in epoch milliseconds. */
  readonly now: () => number;
  /** Returns how far this machine's clock is ahead of the database's, in milliseconds; negative: behind. */
  readonly aheadMs: () => number;
  /** Stops reading the database's clock. `now` continues from the last reading. */
  readonly stop: () => Promise<void>;
};

export type ClockOptions = {
  /** Reports a skew, once when it begins and once when it ends. */
  readonly log: Pick<Log, "warn" | "info">;
  /** This machine's clock, in epoch milliseconds. Default: `Date.now`. */
  readonly wall?: () => number;
  /** How long this machine has run, suspensions included, in milliseconds. Default: `os.uptime`. */
  readonly uptimeMs?: () => number;
  /** The pause between two readings, in milliseconds. Default: {@link READ_EVERY_MS}. */
  readonly everyMs?: number;
};

/**
 * The pause between two readings. A failover may bring another server with another clock; until the next
 * reading, leases of 30 s are off by the difference.
 */
const READ_EVERY_MS = 2_000;
/**
 * A machine's clock this far from the database's is reported. Time servers keep clocks within some
 * milliseconds, so a whole second means that one of the two has none.
 */
export const SKEW_MAX_MS = 1_000;
/**
 * The machine's two clocks part by this much only if it was suspended, which the one that never jumps does
 * not count, or if its time was set. Time servers correct smaller errors by running a clock faster.
 */
const PARTED_MIN_MS = 1_000;
const SKEW_ADVICE =
  "this machine's clock differs from the database's, by which Posthaste goes: synchronise both by NTP";

/**
 * Starts the installation's clock: the database's time at the last reading, carried on by a clock that never
 * jumps, so that setting the machine's time changes nothing. That clock stands still while the machine is
 * suspended, and leases run out meanwhile. So when the machine's clocks part, the suspension is added at
 * once, and the database's clock is read again. SQLite has no clock of its own: its processes share the
 * machine's.
 *
 * @throws Error if the first reading fails: without it, no lease would mean anything
 */
export async function startClock(store: Store, options: ClockOptions): Promise<Clock> {
  const { log, wall = () => Date.now(), everyMs = READ_EVERY_MS } = options;
  const { uptimeMs = () => uptime() * 1_000 } = options;
  const { readClock } = store.seam;
  if (readClock === null) return { now: () => wall(), aheadMs: () => 0, stop: async () => {} };

  /** How far the machine's other clocks are ahead of the one that never jumps. */
  const machineNow = () => {
    const steadyMs = performance.now();
    return { wallMs: wall() - steadyMs, uptimeMs: uptimeMs() - steadyMs };
  };
  let machine = machineNow();
  let offset = offsetOf(await readClock());
  let reading: Promise<void> | undefined;

  const addSuspension = () => {
    if (Math.abs(wall() - performance.now() - machine.wallMs) < PARTED_MIN_MS) return;
    const before = machine;
    machine = machineNow();
    const suspendedMs = machine.uptimeMs - before.uptimeMs;
    const isSuspension = suspendedMs >= PARTED_MIN_MS;
    // Less exact than any reading.
    offset = { ms: offset.ms + (isSuspension ? suspendedMs : 0), errorMs: PARTED_MIN_MS };
    reading ??= read();
  };
  const now = () => {
    addSuspension();
    return Math.round(performance.now() + offset.ms);
  };
  const aheadMs = () => Math.round(wall() - performance.now() - offset.ms);
  const report = createSkewReport(log);

  const read = async () => {
    try {
      const before = machine;
      const next = offsetOf(await readClock());
      addSuspension();
      // A suspension during the reading is not part of its round trip: the answer may be that old.
      if (machine === before) {
        offset = betterOf(offset, next);
        // What the clocks have drifted apart since is no step.
        machine = machineNow();
      } else offset = betterOf(offset, offsetOf(await readClock()));
      report(aheadMs());
    } catch {
      // The database is away, which is reported by whoever needs it. The clock goes on without it.
    }
    reading = undefined;
  };
  addSuspension();
  report(aheadMs());
  const timer = setInterval(() => {
    reading ??= read();
  }, everyMs);
  return {
    now,
    aheadMs,
    async stop() {
      clearInterval(timer);
      await reading;
    },
  };
}

/** Reads the time of the installation's clock once, for a command that compares nothing later. */
export async function readTime({ seam }: Store): Promise<number> {
  return seam.readClock === null ? Date.now() : Math.round((await seam.readClock()).databaseMs);
}

/** The database's clock minus `performance.now`, in milliseconds, and by how much that may be wrong. */
type Offset = { readonly ms: number; readonly errorMs: number };

/** The database read its clock during the round trip, so the middle is wrong by half of it at most. */
function offsetOf({ databaseMs, askedAt, answeredAt }: ClockReading): Offset {
  const errorMs = (answeredAt - askedAt) / 2;
  return { ms: databaseMs - askedAt - errorMs, errorMs };
}

/**
 * Keeps the more exact offset, until a later one contradicts it: then one of the two clocks has moved, or
 * they have drifted apart.
 */
function betterOf(kept: Offset, next: Offset): Offset {
  const isContradicted = Math.abs(next.ms - kept.ms) > next.errorMs + kept.errorMs;
  return isContradicted || next.errorMs <= kept.errorMs ? next : kept;
}

/** Returns a function that takes how far this machine is ahead, and reports when that becomes too much. */
function createSkewReport(log: ClockOptions["log"]): (aheadMs: number) => void {
  let isSkewed = false;
  return (aheadMs) => {
    const wasSkewed = isSkewed;
    isSkewed = Math.abs(aheadMs) > SKEW_MAX_MS;
    if (isSkewed && !wasSkewed) log.warn("clock.skewed", { aheadMs, advice: SKEW_ADVICE });
    if (wasSkewed && !isSkewed) log.info("clock.in_step", { aheadMs });
  };
}
