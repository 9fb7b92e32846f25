import type { DeliveryId, Rate, SubscriptionId } from "@posthaste/domain";
import { recordAttempt } from "@posthaste/testkit";
import { expect } from "vitest";
import {
  claimDeliveries,
  createAccount,
  createClaimRotation,
  markStarted,
  takeTurn,
  updateSubscription,
} from "../src/index.ts";
import { attempt, type Bench, NOW } from "./fixture.ts";

/*
 * A model of workers that send for some subscriptions, on its own clock: the functions of the store are the
 * real ones, and the receivers' answers, the starts of workflows and the waits between are events.
 */

/** What one subscription, of an account of its own, has to send. */
export type Load = {
  readonly rate: Rate | null;
  readonly concurrency: number;
  /** How long its receiver takes for an answer. */
  readonly holdMs: number;
  /** Retries that come due one after the other, the first of them {@link BEGIN_MS} after the beginning. */
  readonly retries: number;
  readonly everyMs: number;
  /** First attempts that wait from the beginning. */
  readonly firsts: number;
};

/** What was sent for it, by the milliseconds since the beginning. */
export type Sent = {
  readonly firsts: number[];
  readonly retries: number[];
  /** Workflows that were started and found no turn. */
  inVain: number;
};

export const BEGIN_MS = 1_000;
/** Between two claims. */
const CLAIM_EVERY_MS = 250;
/** From the claim of a first attempt to its turn. */
const START_MS = 100;

type Clock = {
  at(ms: number, run: (now: number) => Promise<void>): void;
  runUntil(ms: number): Promise<void>;
};

function createClock(): Clock {
  const events: { ms: number; order: number; run: (now: number) => Promise<void> }[] = [];
  let count = 0;
  return {
    at: (ms, run) => void events.push({ ms, order: count++, run }),
    async runUntil(end) {
      for (;;) {
        events.sort((a, b) => a.ms - b.ms || a.order - b.order);
        const next = events.shift();
        if (next === undefined || next.ms > end) return;
        await next.run(next.ms);
      }
    },
  };
}

/** Returns what was sent for each subscription in the first `seconds` seconds. */
export async function sendAll(bench: Bench, loads: readonly Load[], seconds: number): Promise<Sent[]> {
  const { store } = bench;
  const clock = createClock();
  const rotation = createClaimRotation();
  const claim = async (now: number, limit: number, inFlightMax: number) => {
    const claimed = await claimDeliveries(store, {
      ...{ owner: "me", leaseMs: 30_000, rotation },
      ...{ limit, inFlightMax, now },
    });
    const ids = claimed.map(({ deliveryId }) => deliveryId);
    await markStarted(store, { owner: "me", ids, now });
    return claimed;
  };
  const models = new Map<SubscriptionId, Awaited<ReturnType<typeof modelOf>>>();
  for (const load of loads) {
    const model = await modelOf(bench, clock, load);
    models.set(model.subscriptionId, model);
    const claimed = load.retries === 0 ? [] : await claim(NOW, load.retries, load.retries);
    expect(claimed).toHaveLength(load.retries);
    await model.begin(claimed.map(({ deliveryId }) => deliveryId));
  }
  const round = async (now: number) => {
    for (const { subscriptionId, deliveryId } of await claim(now, 100, 20)) {
      clock.at(
        now + START_MS,
        (at) => models.get(subscriptionId)?.ask({ deliveryId }, at) ?? Promise.reject(),
      );
    }
    clock.at(now + CLAIM_EVERY_MS, round);
  };
  clock.at(NOW + BEGIN_MS, round);
  await clock.runUntil(NOW + seconds * 1_000);
  return [...models.values()].map(({ sent }) => sent);
}

async function modelOf({ store, subscribe, ingest }: Bench, clock: Clock, load: Load) {
  const { rate, concurrency, holdMs } = load;
  const pace = { rate, concurrency };
  const { id: accountId } = await createAccount(store, { name: "sender", now: NOW });
  const { id: subscriptionId } = await subscribe({ accountId });
  for (let i = 0; i < load.retries; i++) await ingest({ accountId });
  const sent: Sent = { firsts: [], retries: [], inVain: 0 };
  const ended = { endedReason: null, pace };
  const answer = async (deliveryId: DeliveryId, number: number, startedAt: number, now: number) => {
    const accepted = attempt({ number, startedAt, durationMs: holdMs, outcome: "accepted", status: 200 });
    const record = { deliveryId, attempt: accepted, ...ended, now };
    await recordAttempt(store, { ...record, state: "succeeded", nextAttemptAt: null });
  };
  const ask = async (one: { deliveryId: DeliveryId; dueMs?: number }, now: number) => {
    const { deliveryId, dueMs } = one;
    const asked = { deliveryId, subscriptionId, pace, timeoutMs: 60_000, now: () => now };
    const turn = await takeTurn(store, asked);
    if (turn.kind === "unclaimed") sent.inVain += 1;
    if (turn.kind === "wait") clock.at(turn.untilMs, (at) => ask(one, at));
    if (turn.kind !== "go") return;
    expect(turn.atMs).toBeGreaterThanOrEqual(dueMs ?? now);
    sent[dueMs === undefined ? "firsts" : "retries"].push(turn.atMs - NOW);
    clock.at(turn.atMs + holdMs, (at) => answer(deliveryId, dueMs === undefined ? 1 : 2, turn.atMs, at));
  };
  /** Fails the first attempts of these deliveries, and gives the subscription its other ones. */
  const begin = async (ids: readonly DeliveryId[]) => {
    await updateSubscription(store, { accountId, id: subscriptionId, rate, concurrency, now: NOW });
    for (const [i, deliveryId] of ids.entries()) {
      const dueMs = NOW + BEGIN_MS + i * load.everyMs;
      const failed = { deliveryId, attempt: attempt({ durationMs: holdMs }), ...ended, now: NOW };
      const { nextAttemptAt } = await recordAttempt(store, {
        ...failed,
        state: "started",
        nextAttemptAt: dueMs,
      });
      expect(nextAttemptAt).toBeGreaterThanOrEqual(dueMs);
      clock.at(nextAttemptAt ?? dueMs, (at) => ask({ deliveryId, dueMs }, at));
    }
    for (let i = 0; i < load.firsts; i++) await ingest({ accountId });
  };
  return { subscriptionId, sent, ask, begin };
}
