import { type Check, type Facts, groupBy } from "./facts.ts";
import { feltMs, isFelt, timesOfFaults } from "./fault-times.ts";

/** How long the deliveries of the well-behaved account waited for their first attempt. */
export type Waits = {
  /** The longest time from when a delivery was due until its first attempt, in milliseconds. */
  readonly longestMs: number;
  /** The same without the times of faults that hit it: see {@link timesOfFaults}. */
  readonly besideFaultsMs: number;
  /**
   * The most requests of others that arrived beside faults between two of its account, while a delivery
   * waited and no later one had been sent.
   */
  readonly overtakenBy: number;
};

/**
 * When an account stood still beside faults. A busy machine makes everybody wait, so that a time alone says
 * little: an account that waits its turn lets some others by, one that stands still lets all of them by. A
 * delivery that a fault has cut off waits for its repair, while later ones of its account are sent.
 */
const STANDSTILL = {
  /** Nothing of the account was sent for this long although it was due, in milliseconds … */
  ms: 15_000,
  /**
   * … and this many requests of others arrived meanwhile: several times as many as two workers have under
   * way, and fewer than a single fan-out sends, also in a short run.
   */
  overtakenBy: 1_000,
  /**
   * Or the delivery alone waited for this long, in milliseconds, whatever arrived: as long as the slowest
   * repair, that of the reconciler. Temporal needs up to half a minute for a task that was lost more than
   * once.
   */
  msAtMost: 120_000,
} as const;

type Wait = {
  readonly deliveryId: string;
  readonly ms: number;
  readonly besideFaultsMs: number;
  /**
   * The times in which nothing of its account was sent, while it waited and no later one had been sent. An
   * account whose earlier deliveries are sent meanwhile has its turns.
   */
  readonly gaps: readonly {
    /** Beside faults, in milliseconds. */
    readonly stillMs: number;
    /** Requests of others. */
    readonly overtakenBy: number;
  }[];
};

export function waitsOf(facts: Facts): Waits {
  const waits = waitsOfGood(facts);
  const most = (of: (wait: Wait) => number) => waits.reduce((max, wait) => Math.max(max, of(wait)), 0);
  return {
    longestMs: most(({ ms }) => ms),
    besideFaultsMs: most(({ besideFaultsMs }) => besideFaultsMs),
    overtakenBy: most(overtakenBy),
  };
}

/** The well-behaved account does not stand still, whatever the hostile one does. */
export const nobodyStandsStill: Check = (facts) =>
  waitsOfGood(facts)
    .filter(
      ({ besideFaultsMs, gaps }) =>
        besideFaultsMs > STANDSTILL.msAtMost ||
        gaps.some((gap) => gap.stillMs > STANDSTILL.ms && gap.overtakenBy > STANDSTILL.overtakenBy),
    )
    .map(
      (wait) =>
        `${wait.deliveryId} of the well-behaved account waited ${wait.besideFaultsMs} ms beside faults, while ` +
        `${overtakenBy(wait)} requests of others arrived: see dispatcher and shares`,
    );

/**
 * How many of the well-behaved account's attempts may fail beside faults. They have 2 s in these runs: on a
 * machine that is busy with something else, many time out, while an account that stands still has none left.
 */
const FAILED_MAX = { share: 0.5, few: 20 };

/**
 * Few of the well-behaved account's attempts fail beside faults, since its receivers always answer 200. An
 * account whose attempts all fail before they arrive does not wait for them, and stands still all the same.
 */
export const fewOfGoodFail: Check = (facts) => {
  const times = timesOfFaults(facts);
  const isSteady = (id: number) => facts.known.get(id)?.character === "steady";
  const toSteady = new Set(
    facts.deliveries.filter((row) => isSteady(row.subscription_id)).map(({ id }) => id),
  );
  const beside = facts.attempts.filter(
    (row) =>
      row.account_id === facts.accountIds.good &&
      toSteady.has(row.delivery_id) &&
      !isFelt(times, row.started_at, row.started_at + row.duration_ms),
  );
  const failed = beside.filter(({ outcome }) => outcome !== "accepted");
  if (failed.length <= Math.max(FAILED_MAX.few, beside.length * FAILED_MAX.share)) return [];
  return failed.map(
    ({ delivery_id: id, number, outcome }) =>
      `${id} attempt ${number} of the well-behaved account failed beside faults (${outcome}): see egress`,
  );
};

function overtakenBy({ gaps }: Wait): number {
  return gaps.reduce((max, gap) => Math.max(max, gap.overtakenBy), 0);
}

function waitsOfGood(facts: Facts): Wait[] {
  const sendsOf = sendsOfEach(facts);
  const windows = timesOfFaults(facts);
  const others = facts.seen
    .filter(({ character }) => character !== "steady")
    .map(({ request }) => request.receivedAt)
    .filter((at) => !windows.some(({ from, until }) => from <= at && at < until))
    .sort((one, other) => one - other);
  const latestFirst = facts.deliveries
    .filter((row) => row.account_id === facts.accountIds.good)
    .sort((one, other) => other.created_at - one.created_at);
  const sends = latestFirst
    .flatMap(({ id }) => sendsOf.get(id) ?? [])
    .map(({ at }) => at)
    .sort((one, other) => one - other);
  const besideFaults = (from: number, until: number) => until - from - feltMs(windows, from, until);
  let laterSentAt = facts.now;
  return latestFirst.map(({ id, created_at: dueAt }) => {
    // One that was never sent is lost, and found as such.
    const sentAt = Math.min(facts.now, ...(sendsOf.get(id) ?? []).map(({ at }) => at));
    const stillUntil = Math.max(dueAt, Math.min(sentAt, laterSentAt));
    laterSentAt = Math.min(laterSentAt, sentAt);
    const meanwhile = sends.slice(countBefore(sends, dueAt), countBefore(sends, stillUntil));
    const times = [dueAt, ...meanwhile, stillUntil];
    const gaps = times.slice(1).map((until, n) => {
      const from = times[n] ?? dueAt;
      return {
        stillMs: besideFaults(from, until),
        overtakenBy: countBefore(others, until) - countBefore(others, from),
      };
    });
    return { deliveryId: id, ms: sentAt - dueAt, besideFaultsMs: besideFaults(dueAt, sentAt), gaps };
  });
}

/**
 * When each delivery was sent: the times of its requests, and of attempts that failed. These may not have
 * arrived: a TLS handshake takes several turns of a worker that has just started, and an attempt has 2 s.
 * {@link fewOfGoodFail} checks that they are few.
 */
function sendsOfEach({ seen, attempts }: Facts) {
  const arrived = seen.map(({ deliveryId: id, request }) => ({ id, at: request.receivedAt }));
  const failed = attempts.filter(({ outcome }) => outcome !== "accepted");
  return groupBy(
    [...arrived, ...failed.map((row) => ({ id: row.delivery_id, at: row.started_at }))],
    ({ id }) => id,
  );
}

/** Returns how many of the sorted times are before one. */
function countBefore(times: readonly number[], at: number): number {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((times[middle] ?? 0) < at) low = middle + 1;
    else high = middle;
  }
  return low;
}
