import type { AccountId, DeliveryId, Rate, SubscriptionId } from "@posthaste/domain";
import { recordAttempt } from "@posthaste/testkit";
import { expect } from "vitest";
import {
  cancelDelivery,
  claimDeliveries,
  createAccount,
  createClaimRotation,
  ingestEvents,
  markStarted,
  type Store,
  takeTurn,
  updateSubscription,
} from "../src/index.ts";
import { attempt, type Bench, NOW } from "./fixture.ts";
import { randomFrom } from "./random-from.ts";

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
  /** Retries that come due one after the other, the first of them at {@link BEGIN_MS} or at this time. */
  readonly retries: number;
  readonly everyMs: number;
  readonly retriesFromMs?: number;
  /** First attempts that wait from the beginning, or arrive at once at this time. */
  readonly firsts: number;
  readonly firstsFromMs?: number;
  /** They arrive one by one instead, at random, this long apart on average. */
  readonly firstsEveryMs?: number;
  /** How much later than it asked for a retry is run again. */
  readonly lateMs?: number;
  /** No retry is run in this time, and all that are due are run at its end. */
  readonly awayMs?: { readonly from: number; readonly until: number };
  /** When all retries that were not sent are cancelled. */
  readonly cancelAtMs?: number;
};

/** What was sent for it, by the milliseconds since the beginning. */
export type Sent = {
  readonly firsts: number[];
  readonly retries: number[];
  /** Workflows that were started and found no turn. */
  inVain: number;
  /** How often a retry asked for its turn. */
  asks: number;
};

export const BEGIN_MS = 1_000;

/** The workers: how long it takes from a claim to the next one, and to the turn of what was claimed. */
export const WORKERS = { claimEveryMs: 250, startMs: 100 };
/** Intervals of a slow rate in which workers claim: more often would find nothing again. */
const CLAIMS_PER_INTERVAL = 10;
/** Workers that are not busy. */
export const QUICK_WORKERS = { claimEveryMs: 50, startMs: 30 };
/** Of random arrivals and claims: with this one, the lines of retries and first attempts meet. */
const SEED = 2;
/** Between two claims that come at random, at least. */
const CLAIM_RANDOM_MIN_MS = 20;

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

/**
 * Returns what was sent for each subscription in the first `seconds` seconds. If first attempts of a load
 * arrive at random, claims come at random too.
 */
export async function sendAll(
  bench: Bench,
  loads: readonly Load[],
  seconds: number,
  { claimEveryMs, startMs } = workersFor(loads),
): Promise<Sent[]> {
  const { store } = bench;
  const clock = createClock();
  const rotation = createClaimRotation();
  const random = randomFrom(SEED);
  const isRandom = loads.some(({ firstsEveryMs }) => firstsEveryMs !== undefined);
  const untilNextClaim = () =>
    isRandom
      ? CLAIM_RANDOM_MIN_MS + Math.round((claimEveryMs - CLAIM_RANDOM_MIN_MS) * random())
      : claimEveryMs;
  const claim = async (now: number, limit: number, inFlightMax: number) => {
    const claimed = await claimDeliveries(store, {
      ...{ owner: "me", leaseMs: 30_000, rotation },
      ...{ limit, inFlightMax, now: () => now },
    });
    const ids = claimed.map(({ deliveryId }) => deliveryId);
    await markStarted(store, { owner: "me", ids, now });
    return claimed;
  };
  const models = new Map<SubscriptionId, Awaited<ReturnType<typeof modelOf>>>();
  for (const load of loads) {
    const model = await modelOf(bench, { clock, random, load });
    models.set(model.subscriptionId, model);
    const claimed = load.retries === 0 ? [] : await claim(NOW, load.retries, load.retries);
    expect(claimed).toHaveLength(load.retries);
    await model.begin(claimed.map(({ deliveryId }) => deliveryId));
  }
  const round = async (now: number) => {
    for (const { subscriptionId, deliveryId } of await claim(now, 100, 20)) {
      clock.at(
        now + startMs,
        (at) => models.get(subscriptionId)?.ask({ deliveryId }, at) ?? Promise.reject(),
      );
    }
    clock.at(now + untilNextClaim(), round);
  };
  clock.at(NOW + BEGIN_MS, round);
  await clock.runUntil(NOW + seconds * 1_000);
  return [...models.values()].map(({ sent }) => sent);
}

function workersFor(loads: readonly Load[]): typeof WORKERS {
  const intervals = loads.map(({ rate }) => (rate === null ? 0 : 1_000 / rate.perSecond));
  const { claimEveryMs, startMs } = WORKERS;
  return { claimEveryMs: Math.max(claimEveryMs, Math.min(...intervals) / CLAIMS_PER_INTERVAL), startMs };
}

/** Ingests what is there from the beginning by one call: one for each takes several times as long. */
async function ingestAtOnce(store: Store, accountId: AccountId, count: number): Promise<void> {
  if (count === 0) return;
  const event = { eventType: "invoice_sent", data: Buffer.from("{}"), idempotencyKey: null };
  const events = Array.from({ length: count }, () => event);
  await ingestEvents(store, { accountId, now: NOW, deliveriesMax: count, events });
}

async function modelOf(
  { store, subscribe, ingest }: Bench,
  { clock, random, load }: { clock: Clock; random: () => number; load: Load },
) {
  const { rate, concurrency, holdMs, lateMs = 0, awayMs: away = { from: 0, until: 0 } } = load;
  const pace = { rate, concurrency };
  const { id: accountId } = await createAccount(store, { name: "sender", now: NOW });
  const { id: subscriptionId } = await subscribe({ accountId });
  await ingestAtOnce(store, accountId, load.retries);
  const sent: Sent = { firsts: [], retries: [], inVain: 0, asks: 0 };
  const ended = { endedReason: null, pace };
  const answer = async (deliveryId: DeliveryId, number: number, startedAt: number, now: number) => {
    const accepted = attempt({ number, startedAt, durationMs: holdMs, outcome: "accepted", status: 200 });
    const record = { deliveryId, attempt: accepted, ...ended, now };
    await recordAttempt(store, { ...record, state: "succeeded", nextAttemptAt: null });
  };
  const waiting = new Set<DeliveryId>();
  const cancelled = new Set<DeliveryId>();
  const cancelWaiting = async (now: number) => {
    for (const id of waiting) {
      await cancelDelivery(store, { id, reason: "its owner cancelled it", now });
      cancelled.add(id);
    }
  };
  const ask = async (one: { deliveryId: DeliveryId; dueMs?: number }, now: number) => {
    const { deliveryId, dueMs } = one;
    if (cancelled.has(deliveryId)) return;
    if (dueMs !== undefined && now >= NOW + away.from && now < NOW + away.until) {
      clock.at(NOW + away.until, (at) => ask(one, at));
      return;
    }
    if (dueMs !== undefined) sent.asks += 1;
    const number = dueMs === undefined ? 1 : 2;
    const asked = { deliveryId, subscriptionId, number, pace, timeoutMs: 60_000, now: () => now };
    const turn = await takeTurn(store, asked);
    if (turn.kind === "unclaimed") sent.inVain += 1;
    if (turn.kind === "wait") clock.at(turn.untilMs + lateMs, (at) => ask(one, at));
    if (turn.kind !== "go") return;
    expect(turn.atMs).toBeGreaterThanOrEqual(dueMs ?? now);
    sent[dueMs === undefined ? "firsts" : "retries"].push(turn.atMs - NOW);
    waiting.delete(deliveryId);
    clock.at(turn.atMs + holdMs, (at) => answer(deliveryId, number, turn.atMs, at));
  };
  /** Fails the first attempts of these deliveries, and gives the subscription its other ones. */
  const begin = async (ids: readonly DeliveryId[]) => {
    await updateSubscription(store, { accountId, id: subscriptionId, rate, concurrency, now: NOW });
    for (const [i, deliveryId] of ids.entries()) {
      const dueMs = NOW + (load.retriesFromMs ?? BEGIN_MS) + i * load.everyMs;
      const failed = { deliveryId, attempt: attempt({ durationMs: holdMs }), ...ended, now: NOW };
      const { nextAttemptAt } = await recordAttempt(store, {
        ...failed,
        state: "started",
        nextAttemptAt: dueMs,
      });
      expect(nextAttemptAt).toBeGreaterThanOrEqual(dueMs);
      waiting.add(deliveryId);
      clock.at(nextAttemptAt ?? dueMs, (at) => ask({ deliveryId, dueMs }, at));
    }
    if (load.cancelAtMs !== undefined) clock.at(NOW + load.cancelAtMs, cancelWaiting);
    if (load.firstsEveryMs === undefined && load.firstsFromMs === undefined) {
      await ingestAtOnce(store, accountId, load.firsts);
      return;
    }
    let arrivesAt = NOW + (load.firstsFromMs ?? BEGIN_MS);
    for (let i = 0; i < load.firsts; i++) {
      arrivesAt += Math.ceil(-Math.log(random()) * (load.firstsEveryMs ?? 0));
      clock.at(arrivesAt, async (at) => void (await ingest({ accountId, now: at })));
    }
  };
  return { subscriptionId, sent, ask, begin };
}
