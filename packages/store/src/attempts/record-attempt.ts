import {
  type AccountId,
  type DeliveryId,
  DISABLE_RULE,
  type DisableRule,
  isTerminal,
  type Pace,
  type SubscriptionId,
  type TerminalState,
} from "@posthaste/domain";
import { Contended } from "../database/contended.ts";
import type { Settled } from "../database/group-commit.ts";
import { insertRows } from "../database/insert-rows.ts";
import type { Store } from "../database/store.ts";
import { type Tx, transact } from "../database/transact.ts";
import {
  eventOf,
  isNextAttempt,
  type LockedDelivery,
  lockAndMove,
  type Move,
  move,
} from "../deliveries/move.ts";
import { RECONCILE_GRACE_MS } from "../deliveries/transitions.ts";
import { type Reservation, reserveIn } from "../dispatch/reserve-turn.ts";
import { noteHealth } from "../lifecycle/note-health.ts";
import { noteHolds, type Turns } from "../subscriptions/pace.ts";
import { type Attempt, attemptRow } from "./attempts.ts";
import { type LockedForAttempts, lockForAttempts } from "./lock-for-attempts.ts";

export type AttemptToRecord = {
  readonly deliveryId: DeliveryId;
  /** The delivery's account, if it is known: accounts take turns in the groups of attempts. */
  readonly accountId?: AccountId;
  readonly attempt: Attempt;
  /** The delivery's state after the attempt. */
  readonly state: "started" | TerminalState;
  /** When the next attempt is due; null: there is none. */
  readonly nextAttemptAt: number | null;
  /**
   * The pace by which the next attempt gets its turn among its subscription's attempts. Default: it is sent
   * when it is due.
   */
  readonly pace?: Pace;
  readonly endedReason: string | null;
  /**
   * The subscription was not failing when the attempt began, so a success most likely changes nothing and its
   * row is not locked. If it has begun to fail since, the success still ends that. Default: false.
   */
  readonly wasHealthy?: boolean;
  /** Default: {@link DISABLE_RULE}. */
  readonly disableRule?: DisableRule;
  /**
   * No workflow carries the delivery yet. The reconciler starts one soon, unless {@link markHandedOver}
   * reports that one was started. Default: false.
   */
  readonly awaitsWorkflow?: boolean;
  readonly now: number;
};

export type RecordedAttempt = {
  /**
   * `already_recorded`: the attempt's number is taken. Two workers made the attempt, and this one came
   * second.
   */
  readonly kind: "recorded" | "already_recorded";
  /** When the next attempt is due; null: there is none, or the attempt was already recorded. */
  readonly nextAttemptAt: number | null;
};

/**
 * How long the reconciler leaves alone a delivery that waits for its workflow. Longer than starting a
 * workflow takes.
 */
const HAND_OVER_GRACE_MS = 15_000;

/**
 * Records attempts and their consequences, in one transaction.
 *
 * Two workers may have made the same attempt, if one was taken for dead. The row's `attempts` lets only one
 * of them write, and the other learns that it came second. Rows are read under their locks, so each decision
 * still holds when it is written. A delivery that was cancelled during its attempt stays cancelled; its log
 * still records the receiver's answer.
 *
 * All rows are locked before anything is written, in the order of `lock-rows.ts`: subscriptions whose health
 * may change, lines in which a retry takes a place, deliveries. The first attempts of healthy subscriptions
 * that succeed need only the last kind.
 *
 * An attempt that needs a row which another transaction holds is settled as held, and nothing of it is
 * written: the group has attempts of all accounts.
 */
export async function recordAttempts(
  store: Store,
  records: readonly AttemptToRecord[],
): Promise<Settled<RecordedAttempt>[]> {
  // Subscriptions that were found to be failing only after deliveries were locked. The next run begins with
  // their lock.
  const foundFailing = new Set<SubscriptionId>();
  return await transact(store, async (tx) => {
    const locked = await lockForAttempts(store, tx, records, foundFailing);
    const { lines, rows, held, missed } = locked;
    if (missed.length > 0) {
      for (const id of missed) foundFailing.add(id);
      throw new Contended("a subscription began to fail before this success was recorded");
    }
    const settled: Settled<RecordedAttempt>[] = [];
    const accepted: Accepted[] = [];
    for (const [place, record] of records.entries()) {
      const row = rows.get(record.deliveryId);
      const heldBy = held.get(record.deliveryId);
      if (heldBy !== undefined) {
        settled.push({ held: heldBy });
        continue;
      }
      settled.push(
        row === undefined
          ? { error: new Error(`delivery ${record.deliveryId} does not exist`) }
          : { result: { kind: "already_recorded", nextAttemptAt: null } },
      );
      if (row === undefined || !isNextAttempt(row, record.attempt.number)) continue;
      accepted.push({ place, record, row: { ...row } });
      row.attempts = record.attempt.number;
      if (!isTerminal(row.state)) row.state = record.state;
    }
    const written = await withTimes(tx, accepted, lines);
    for (const { place, nextAttemptAt } of written) {
      settled[place] = { result: { kind: "recorded", nextAttemptAt } };
    }
    await writeAll(tx, written);
    await noteAll(store, tx, written, locked);
    return settled;
  });
}

export type HandedOver = { readonly id: DeliveryId; readonly nextAttemptAt: number; readonly now: number };

/**
 * Notes that the workflows of these deliveries were started. The reconciler then leaves each alone until its
 * next attempt is overdue.
 */
export async function markHandedOver(store: Store, handed: readonly HandedOver[]): Promise<Settled<void>[]> {
  const now = Math.max(...handed.map((one) => one.now));
  const dueOf = new Map(handed.map(({ id, nextAttemptAt }) => [id, nextAttemptAt]));
  const { refused } = await lockAndMove(store, [...dueOf.keys()], now, (rows) =>
    rows.flatMap((row) => {
      const dueAt = dueOf.get(row.id);
      // A delivery with another time has moved since.
      if (dueAt === undefined || row.next_attempt_at !== dueAt) return [];
      return eventOf("hand_over", row, { reconcile_after: dueAt + RECONCILE_GRACE_MS });
    }),
  );
  const errorOf = new Map(refused.map(({ item, error }) => [item, error]));
  return handed.map(({ id }) => (errorOf.has(id) ? { error: errorOf.get(id) } : { result: undefined }));
}

/** An attempt that is the next one of its delivery. */
type Accepted = {
  /** Its place among the records. */
  readonly place: number;
  readonly record: AttemptToRecord;
  /** The row before the attempt. */
  readonly row: LockedDelivery;
};

type Written = Accepted & { readonly nextAttemptAt: number | null };

/** Reserves the turns of all retries at once. */
async function withTimes(
  tx: Tx,
  accepted: readonly Accepted[],
  lines: ReadonlyMap<SubscriptionId, Turns>,
): Promise<Written[]> {
  const reservations = new Map<Accepted, Reservation>();
  for (const one of accepted) {
    const { pace, nextAttemptAt: dueMs } = one.record;
    if (dueMs === null || pace === undefined || isTerminal(one.row.state)) continue;
    reservations.set(one, { subscriptionId: one.row.subscription_id, pace, dueMs });
  }
  const times = await reserveIn(tx, [...reservations.values()], lines, nowOf(accepted));
  const timeOf = new Map([...reservations.keys()].map((one, i) => [one, times[i] ?? null]));
  return accepted.map((one) => ({ ...one, nextAttemptAt: timeOf.get(one) ?? one.record.nextAttemptAt }));
}

function nowOf(accepted: readonly Accepted[]): number {
  return Math.max(...accepted.map(({ record }) => record.now));
}

async function writeAll(tx: Tx, written: readonly Written[]): Promise<void> {
  if (written.length === 0) return;
  await move(tx, written.map(moveOf), nowOf(written));
  const attempts = written.map(({ record, row }) => attemptRow(row, record.attempt));
  const answerBytes = (row: (typeof attempts)[number]) =>
    row.response_body.length + Buffer.byteLength(row.response_headers);
  await insertRows(tx, "attempts", attempts, answerBytes);
}

function moveOf({ record, row, nextAttemptAt }: Written): Move {
  const { attempt, state, endedReason, now } = record;
  const counted = {
    attempts: attempt.number,
    last_outcome: attempt.outcome,
    last_status: attempt.status,
  };
  // A delivery that was cancelled during the attempt keeps its reason.
  const ended = isTerminal(row.state) ? counted : { ...counted, ended_at: now, ended_reason: endedReason };
  return { ...eventAfter(), attemptMs: attempt.durationMs };

  function eventAfter(): Move {
    switch (state) {
      case "started": {
        if (nextAttemptAt === null)
          throw new Error(`delivery ${row.id} stays started but has no next attempt`);
        const { pace, awaitsWorkflow } = record;
        const times = {
          next_attempt_at: nextAttemptAt,
          reconcile_after: awaitsWorkflow ? now + HAND_OVER_GRACE_MS : nextAttemptAt + RECONCILE_GRACE_MS,
          turn_at: pace === undefined ? null : nextAttemptAt,
        };
        return eventOf("attempt_failed", row, times, counted);
      }
      case "succeeded":
        return eventOf("attempt_succeeded", row, {}, ended);
      case "exhausted":
        return eventOf("attempt_exhausted", row, {}, ended);
      case "blocked":
        return eventOf("attempt_blocked", row, {}, ended);
      case "cancelled":
        return eventOf("attempt_gone", row, {}, ended);
    }
  }
}

/** Updates the health of the attempts' subscriptions, and how long their retries take. */
async function noteAll(
  store: Store,
  tx: Tx,
  written: readonly Written[],
  { subscriptions, lines }: Pick<LockedForAttempts, "subscriptions" | "lines">,
): Promise<void> {
  const retries = written.filter(({ record }) => record.attempt.number > 1);
  const holds = retries.map(({ record, row }) => ({
    subscriptionId: row.subscription_id,
    durationMs: record.attempt.durationMs,
  }));
  await noteHolds(tx, holds, lines);
  // A test's outcome does not count.
  const counted = written.filter(({ row }) => row.test === 0);
  const findings = counted.map(({ record, row }) => ({
    delivery: row,
    outcome: record.attempt.outcome,
    status: record.attempt.status,
    number: record.attempt.number,
    isExhausted: record.state === "exhausted",
    rule: record.disableRule ?? DISABLE_RULE,
    now: record.now,
  }));
  await noteHealth(store, tx, findings, subscriptions);
}
