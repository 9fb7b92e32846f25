import { isOutage } from "@posthaste/delivery/client";
import { createFairQueue, type DeliveryId } from "@posthaste/domain";
import type { Log } from "@posthaste/runtime";
import {
  type ClaimedDelivery,
  markStarted,
  releaseClaims,
  type Store,
  setAsideClaims,
} from "@posthaste/store";
import { createReportSetAside, type Refused, type SetAsideWork } from "./report-set-aside.ts";
import { createPatience } from "./set-aside.ts";

export type StarterOptions = {
  readonly store: Store;
  readonly log: Log;
  readonly now: () => number;
  /** Starts a delivery's workflow. Starting it twice is harmless. */
  readonly start: (delivery: ClaimedDelivery) => Promise<void>;
  /** Identifies this process in its leases. */
  readonly owner: string;
  /** Called when deliveries are set aside, with their number. */
  readonly onSetAside?: (work: SetAsideWork, count: number) => void;
};

/** How a loop starts workflows. */
export type StartsPlan = {
  /** Concurrent starts. The others wait, and accounts take turns. */
  readonly atOnce: number;
  /** What becomes of claims while Temporal is unavailable: they are released, or their leases run out. */
  readonly ifAway: "release" | "keep";
  /** Called when a start has ended, or was not tried because Temporal is unavailable. */
  readonly onEnded: (id: DeliveryId, isStarted: boolean) => void;
  /** Called when started deliveries have been marked, with their number. */
  readonly onStarted: (count: number) => void;
  /** Called when Temporal is unavailable, or when the database does not take what became of the starts. */
  readonly onFailure: (error: unknown) => void | Promise<void>;
};

/** The starts of claimed deliveries' workflows that wait or are under way. */
export type Starts = {
  /**
   * Starts these workflows and returns at once. A delivery whose start waits or is under way only gets its
   * new lease: the first one ran out, and this process claimed it again.
   */
  begin(claimed: readonly ClaimedDelivery[]): void;
  /** Returns whether the delivery's start waits or is under way. */
  has(id: DeliveryId): boolean;
  /** Returns how many starts wait or are under way. */
  count(): number;
  /** Returns how many may wait behind those under way: about as many as begin within 250 ms, 16 to 84. */
  aheadMax(): number;
  /**
   * Resolves when at most this many starts wait or are under way. While it is in doubt whether Temporal is
   * available, it resolves when one has succeeded or all have ended.
   */
  untilAtMost(count: number): Promise<void>;
  /** Resolves when every start has ended, and the database knows. */
  untilEnded(): Promise<void>;
};

/** Concurrent starts: enough to hide the round trip, few enough not to queue in a server with two cores. */
export const STARTS_AT_ONCE = 16;
/** Starts that fail before any succeeds: then no other is tried. Each may have waited 5 s, its deadline. */
const FAILURES_MAX = 3;
/** What waits begins within this time, so that whoever comes next waits no longer. */
const AHEAD_MS = 250;
/** So many wait at least, or a claim would bring few. On a slow Temporal, these take longer to begin. */
const AHEAD_MIN = 16;
/** With those under way a hundred, which amortise a claim. */
const AHEAD_MAX = 84;
/** The weight of the latest start in the average duration. */
const LATEST_WEIGHT = 0.1;
/** Ended starts that are written together; fewer, if more deliveries come or no start is under way. */
const NOTED_AT_ONCE = 100;
/** Ended starts that are not written yet: if the database is slow, no more are claimed meanwhile. */
const UNNOTED_MAX = 2 * NOTED_AT_ONCE;

/**
 * Creates the {@link Starts} of a loop. Deliveries whose workflows were started are marked in groups. Those
 * whose start fails are set aside, each for a growing time. One whose lease ran out while its start waited is
 * left to whoever claims it next.
 *
 * A start that fails while another succeeds concerns its delivery only. If a few are refused by an
 * unavailable Temporal and none succeeds meanwhile, no other is tried until those under way have ended. If
 * none of them succeeded, it is an outage, and nothing is set aside.
 */
export function createStarts(options: StarterOptions, plan: StartsPlan): Starts {
  const waiting = createFairQueue<ClaimedDelivery>();
  /** Those that wait or are under way, with the ends of their leases. */
  const open = new Map<DeliveryId, number>();
  const outcomes = createOutcomes();
  /** The average duration of a start. */
  let startMs = AHEAD_MS;
  const { until, awaken } = createCondition();
  const notes = createNotes(options, plan, awaken);
  const underWay = () => open.size - waiting.size();
  const end = (id: DeliveryId, isStarted: boolean) => {
    open.delete(id);
    plan.onEnded(id, isStarted);
  };
  const run = async (delivery: ClaimedDelivery) => {
    const id = delivery.deliveryId;
    const noteFailure = outcomes.begun(delivery);
    const begunAt = performance.now();
    let isStarted = false;
    try {
      await options.start(delivery);
      isStarted = true;
      outcomes.succeeded(id);
    } catch (error) {
      noteFailure(error);
    }
    startMs += (performance.now() - begunAt - startMs) * LATEST_WEIGHT;
    end(id, isStarted);
    goOn();
  };
  /** Begins as many starts as may be under way, and notes those that have ended, if it is time. */
  const goOn = () => {
    while (underWay() < plan.atOnce && !outcomes.mayBeOutage()) {
      const next = waiting.next();
      if (next === undefined) break;
      // It waited so long that another worker may have the delivery, maybe in the direct lane by now.
      if ((open.get(next.deliveryId) ?? 0) < options.now()) end(next.deliveryId, false);
      else void run(next);
    }
    const isIdle = underWay() === 0;
    if (isIdle || outcomes.count() >= NOTED_AT_ONCE) noteEnded();
    const refused = isIdle ? outcomes.takeOutage() : [];
    if (refused.length > 0) giveUp(refused);
    awaken();
  };
  const noteEnded = () => {
    const { started, failed } = outcomes.take();
    if (started.length + failed.length > 0) notes.ended(started, failed);
  };
  const giveUp = (refused: readonly Failed[]) => {
    const untried: DeliveryId[] = [];
    for (let next = waiting.next(); next !== undefined; next = waiting.next()) {
      untried.push(next.deliveryId);
      end(next.deliveryId, false);
    }
    notes.outage(refused, untried);
  };
  return {
    begin(claimed) {
      // Also with none: whoever is at work anyway notes what has ended.
      noteEnded();
      for (const delivery of claimed) {
        const isNew = !open.has(delivery.deliveryId);
        open.set(delivery.deliveryId, delivery.leaseUntil);
        if (isNew) waiting.add(delivery.accountId, delivery);
      }
      goOn();
    },
    has: (id) => open.has(id),
    count: () => open.size,
    aheadMax: () => Math.floor(Math.min(AHEAD_MAX, Math.max(AHEAD_MIN, (plan.atOnce * AHEAD_MS) / startMs))),
    untilAtMost: (count) =>
      until(() =>
        outcomes.isInDoubt()
          ? open.size === 0 && notes.unwritten() === 0
          : open.size <= count && notes.unwritten() <= UNNOTED_MAX,
      ),
    untilEnded: () => until(() => open.size === 0 && notes.unwritten() === 0),
  };
}

type Failed = Refused & {
  readonly item: DeliveryId;
  /**
   * Those that come after it in order wait until it is tried again: Temporal has not refused the delivery,
   * and may even have started it without an answer.
   */
  readonly keepsPlace: boolean;
};

/** Collects what became of starts, and tells failures that concern one delivery from an outage. */
function createOutcomes() {
  let started: DeliveryId[] = [];
  let failed: Failed[] = [];
  /** Failures since the last success, which may belong to an outage. */
  let doubtful: Failed[] = [];
  let successes = 0;
  let isProven = false;
  const mayBeOutage = () => doubtful.length >= FAILURES_MAX;
  return {
    /** Notes that a start begins, and returns a function that notes its failure. */
    begun({ deliveryId: item, isInOrder }: ClaimedDelivery) {
      const before = successes;
      return (error: unknown) => {
        const mayPass = isOutage(error);
        const isItsOwn = successes > before || !mayPass;
        (isItsOwn ? failed : doubtful).push({ item, error, keepsPlace: isInOrder && mayPass });
      };
    },
    succeeded(id: DeliveryId) {
      successes += 1;
      isProven = true;
      started.push(id);
      failed.push(...doubtful);
      doubtful = [];
    },
    mayBeOutage,
    /** Nothing has succeeded since the process began or since the last outage, or it may be one. */
    isInDoubt: () => !isProven || mayBeOutage(),
    /** How many may be taken. */
    count: () => started.length + failed.length,
    /** Takes the starts that succeeded, and the failures that concern their deliveries only. */
    take() {
      const taken = { started, failed };
      started = [];
      failed = [];
      return taken;
    },
    /** Takes the failures that nothing contradicts, if there are any, after the last start has ended. */
    takeOutage() {
      const refused = doubtful;
      doubtful = [];
      if (refused.length > 0) isProven = false;
      return refused;
    },
  };
}

/** Creates a condition variable: `until` resolves when the condition holds after a call of `awaken`. */
function createCondition() {
  let waiters: (() => void)[] = [];
  return {
    async until(isReached: () => boolean): Promise<void> {
      while (!isReached()) await new Promise<void>((resolve) => waiters.push(resolve));
    },
    awaken() {
      const awoken = waiters;
      waiters = [];
      for (const wake of awoken) wake();
    },
  };
}

/** Creates the functions that write what became of starts, one group after the other. */
function createNotes(options: StarterOptions, plan: StartsPlan, onWritten: () => void) {
  const { store, owner, now } = options;
  const report = createReportSetAside(options.log, options.onSetAside);
  const patience = createPatience({ now });
  let unwritten = 0;
  let written: Promise<void> = Promise.resolve();
  const write = async (count: number, toWrite: () => Promise<void>) => {
    unwritten += count;
    written = written.then(toWrite).catch(plan.onFailure);
    await written;
    unwritten -= count;
    onWritten();
  };
  return {
    /** How many ended starts are not written yet. */
    unwritten: () => unwritten,
    ended(started: readonly DeliveryId[], failed: readonly Failed[]) {
      void write(started.length + failed.length, async () => {
        for (const id of started) patience.succeeded(id);
        report("lease", await markStarted(store, { owner, ids: started, now: now() }));
        report("start", failed);
        const untilOf = (id: DeliveryId) => patience.failed(id).untilMs;
        const claims = failed.map(({ item: id, keepsPlace }) => ({ id, untilMs: untilOf(id), keepsPlace }));
        report("lease", await setAsideClaims(store, { owner, claims, now: now() }));
        if (started.length > 0) plan.onStarted(started.length);
      });
    },
    outage(failed: readonly Failed[], untried: readonly DeliveryId[]) {
      const ids = [...failed.map(({ item }) => item), ...untried];
      void write(ids.length, async () => {
        if (plan.ifAway === "release") await releaseClaims(store, { owner, ids, now: now() });
        throw new Error(`Temporal accepted none of ${ids.length} deliveries; they stay pending`, {
          cause: failed[0]?.error,
        });
      });
    },
  };
}
