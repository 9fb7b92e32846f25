import type { Direct } from "@posthaste/delivery/activities";
import { createShares } from "@posthaste/delivery/activities";
import type { AccountId, DeliveryId } from "@posthaste/domain";
import { MINUTE_MS } from "@posthaste/domain";
import { createStopDeadline, type Log, silentLog } from "@posthaste/runtime";
import {
  type ClaimedDelivery,
  claimDeliveries,
  createAccount,
  createAttemptLedger,
  createSubscription,
  ingestEvents,
  listOverdue,
} from "@posthaste/store";
import { createTestStore, failedAttempt, poison, recordAttempt, type TestStore } from "@posthaste/testkit";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createDirectLane, type DirectLane } from "../src/loops/direct-lane.ts";
import { createDirectRound } from "../src/loops/dispatch.ts";
import type { Dependency } from "../src/loops/outage-log.ts";

const PATIENCE = { timeout: 30_000, interval: 10 };
const LEASE_MS = 300;

const inTime = () => createStopDeadline(60_000);

let bench: TestStore;
let accountId: AccountId;
let lane: DirectLane | undefined;
let starts: DeliveryId[];
/** Runs one attempt; each test sets its result and its end. */
let attempt: (id: DeliveryId) => Promise<Direct>;
let start: (delivery: ClaimedDelivery) => Promise<void>;
let away: readonly Dependency[];
let lines: { event: string; fields: Readonly<Record<string, unknown>> }[];
const log: Log = {
  ...silentLog,
  info: (event, fields = {}) => void lines.push({ event, fields }),
  error: (event, _error, fields = {}) => void lines.push({ event, fields }),
};

beforeEach(async () => {
  bench = await createTestStore("sqlite");
  accountId = (await createAccount(bench.store, { name: "test", now: Date.now() })).id;
  starts = [];
  away = [];
  lines = [];
  attempt = async () => ({ kind: "over" });
  start = async ({ deliveryId }) => void starts.push(deliveryId);
});
afterEach(async () => {
  await lane?.stop(inTime());
  await bench.dispose();
});

async function pending(events: number, host = "receiver.example", owner = accountId): Promise<void> {
  const now = Date.now();
  await createSubscription(bench.store, {
    accountId: owner,
    targetUrl: `https://${host}/`,
    eventTypes: ["*"],
    credential: null,
    acceptance: "OK_ONLY",
    timeoutMs: null,
    now,
  });
  const event = {
    eventType: "invoice_sent",
    data: Buffer.from("{}"),
    idempotencyKey: null,
  };
  const all = Array.from({ length: events }, () => event);
  await ingestEvents(bench.store, { accountId: owner, now, deliveriesMax: 1_000, events: all });
}

function setup({ attemptsMax = 10, store = bench.store } = {}) {
  const options = {
    store,
    log,
    now: () => Date.now(),
    owner: "test",
    leaseMs: LEASE_MS,
    whatIsAway: async () => away,
    start: (delivery: ClaimedDelivery) => start(delivery),
  };
  const onRoom = vi.fn();
  const ledger = createAttemptLedger(store);
  const shares = createShares(attemptsMax);
  const created = createDirectLane({
    ...options,
    ledger,
    shares,
    onRoom,
    attempt: ({ deliveryId }) => attempt(deliveryId),
  });
  lane = created;
  const dispatch = { ...options, batch: 100, inFlightMax: 100, laneDefault: "direct" as const, shares };
  return { onRoom, shares, lane: created, round: createDirectRound(dispatch, created) };
}
const claimable = async (now = Date.now()) =>
  (
    await claimDeliveries(bench.store, {
      owner: "other",
      limit: 100,
      inFlightMax: 100,
      leaseMs: 1,
      now: () => now,
    })
  ).length;

test("an account has at most its share of attempts in flight, and the end of one makes room", async () => {
  await pending(5);
  const ends: (() => void)[] = [];
  attempt = () => new Promise((resolve) => ends.push(() => resolve({ kind: "over" })));
  const { round, shares, onRoom } = setup({ attemptsMax: 3 });
  await round();
  expect(ends).toHaveLength(3);
  expect(shares.roomOf(accountId)).toBe(0);
  expect(await round()).toBe("done");
  ends.shift()?.();
  await vi.waitFor(() => expect(onRoom).toHaveBeenCalled(), PATIENCE);
  expect(shares.roomOf(accountId)).toBe(1);
  attempt = async () => ({ kind: "over" });
  await round();
  expect(starts).toEqual([]);
  for (const end of ends) end();
});

test("an attempt in flight keeps its claim beyond the lease, and an ended attempt loses it", async () => {
  await pending(1);
  let end = () => {};
  attempt = () => new Promise((resolve) => (end = () => resolve({ kind: "faulted" })));
  const { round } = setup();
  await round();
  const leaseEnd = Date.now() + LEASE_MS;
  await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(leaseEnd), PATIENCE);
  expect(await claimable()).toBe(0);
  end();
  await vi.waitFor(async () => expect(await claimable()).toBe(1), PATIENCE);
});

test("a delivery that is claimed again while its attempt is under way is not attempted beside it", async () => {
  await pending(2);
  const attempted: DeliveryId[] = [];
  const ends: (() => void)[] = [];
  attempt = (id) => {
    attempted.push(id);
    return new Promise((resolve) => ends.push(() => resolve({ kind: "over" })));
  };
  const { lane, shares } = setup();
  const claim = { owner: "test", limit: 10, inFlightMax: 10, leaseMs: 1, laneDefault: "direct" as const };
  const claimed = await claimDeliveries(bench.store, { ...claim, now: () => Date.now() });
  // Its lease could not be renewed, and ran out.
  const again = await claimDeliveries(bench.store, { ...claim, now: () => Date.now() + LEASE_MS });
  expect(again).toHaveLength(2);
  lane.begin(claimed);
  lane.begin(again);
  expect(attempted).toEqual(claimed.map(({ deliveryId }) => deliveryId));
  expect(shares.free()).toBe(shares.size - 2);
  for (const end of ends) end();
});

/** Makes the account's pending deliveries such that were parked between two attempts. */
async function attemptedBefore() {
  await bench.store.db
    .updateTable("deliveries")
    .set({ attempts: 1, last_outcome: "status", last_status: 500 })
    .where("account_id", "=", accountId)
    .execute();
}

test("while Temporal is silent, first attempts begin beside deliveries that wait for their workflows", async () => {
  await pending(40);
  await attemptedBefore();
  const other = (await createAccount(bench.store, { name: "other", now: Date.now() })).id;
  const attempted: DeliveryId[] = [];
  attempt = async (id) => {
    attempted.push(id);
    return { kind: "over" };
  };
  const silent: (() => void)[] = [];
  start = ({ deliveryId }) =>
    new Promise((resolve) => {
      starts.push(deliveryId);
      silent.push(resolve);
    });
  const { round, lane } = setup({ attemptsMax: 100 });
  await round();
  // As many as one account may have, and the others stay pending for everybody.
  await vi.waitFor(() => expect(starts).toHaveLength(16), PATIENCE);
  expect(lane.roomToStart(accountId)).toBe(0);
  expect(lane.roomToStart(other)).toBeGreaterThan(0);
  expect(await claimable()).toBe(24);
  await pending(3, "other.example", other);
  await round();
  expect(attempted).toHaveLength(3);
  // Temporal answers again. The starts go on as places become free.
  start = async ({ deliveryId }) => void starts.push(deliveryId);
  for (const answer of silent) answer();
  await vi.waitFor(async () => {
    await round();
    expect(new Set(starts).size).toBe(40);
  }, PATIENCE);
  await lane.stop(inTime());
  const states = await bench.store.db
    .selectFrom("deliveries")
    .select("state")
    .where("account_id", "=", accountId)
    .execute();
  expect(states.map(({ state }) => state)).toEqual(Array.from({ length: 40 }, () => "started"));
});

test("a stop counts the starts that Temporal does not answer", async () => {
  await pending(3);
  await attemptedBefore();
  start = () => new Promise<never>(() => {});
  const { round, lane: created } = setup();
  await round();
  const deadline = createStopDeadline(1);
  await created.stop(deadline);
  lane = undefined;
  expect(deadline.left()).toEqual({ direct_starts: 3 });
});

test("a failed delivery gets a workflow, and is reconciled once its retry is overdue", async () => {
  await pending(1);
  const dueAt = Date.now() + 10 * MINUTE_MS;
  attempt = failedUntil(dueAt);
  const { round } = setup();
  await round();
  await vi.waitFor(() => expect(starts).toHaveLength(1), PATIENCE);
  await lane?.stop(inTime());
  expect(await overdueBy(dueAt)).toBe(0);
  expect(await overdueBy(dueAt + 3 * MINUTE_MS)).toBe(1);
});

test("the reconciler finds a failed delivery within a minute if its workflow does not start", async () => {
  await pending(1);
  const dueAt = Date.now() + 10 * MINUTE_MS;
  attempt = failedUntil(dueAt);
  start = () => Promise.reject(new Error("Temporal is unavailable"));
  const { round } = setup();
  await round();
  await lane?.stop(inTime());
  expect(await overdueBy(Date.now() + MINUTE_MS)).toBe(1);
});

test("while the lane stops, the first hand-over that Temporal does not take ends all others, and says so", async () => {
  await pending(10);
  attempt = failedUntil(Date.now() + 10 * MINUTE_MS);
  const refusals: (() => void)[] = [];
  start = async ({ deliveryId }) => {
    starts.push(deliveryId);
    await new Promise<void>((_resolve, reject) => refusals.push(() => reject(new Error("no answer"))));
  };
  const { round, shares, onRoom } = setup();
  await round();
  // Four hand-overs are under way, and six wait.
  await vi.waitFor(() => expect(starts).toHaveLength(4), PATIENCE);
  await vi.waitFor(() => expect(shares.free()).toBe(shares.size), PATIENCE);
  expect(onRoom).toHaveBeenCalled();
  const deadline = inTime();
  const stopped = lane?.stop(deadline);
  // The stop has waited for the attempts before it begins with the hand-overs.
  await new Promise(setImmediate);
  for (const refuse of refusals) refuse();
  await stopped;
  expect(starts).toHaveLength(4);
  expect(deadline.left()).toEqual({ hand_overs: 10 });
  // All of them are in the rows, for the reconciler.
  expect(await overdueBy(Date.now() + MINUTE_MS)).toBe(10);
});

test("a stop cuts attempts and hand-overs off at its deadline, and counts them", async () => {
  await pending(7);
  const failed = failedUntil(Date.now() + 10 * MINUTE_MS);
  let attempts = 0;
  attempt = async (id) => {
    attempts += 1;
    return attempts <= 5 ? await failed(id) : await new Promise<never>(() => {});
  };
  start = async ({ deliveryId }) => {
    starts.push(deliveryId);
    await new Promise<never>(() => {});
  };
  const { round, shares } = setup();
  await round();
  await vi.waitFor(() => expect(shares.free()).toBe(shares.size - 2), PATIENCE);
  await vi.waitFor(() => expect(starts).toHaveLength(4), PATIENCE);
  const deadline = createStopDeadline(1);
  await lane?.stop(deadline);
  lane = undefined;
  expect(deadline.left()).toEqual({ direct_attempts: 2, hand_overs: 5 });
});

test("failed hand-overs log one line for an outage of Temporal, which says so, and one for its end", async () => {
  await pending(12);
  attempt = failedUntil(Date.now() + 10 * MINUTE_MS);
  const events = () => lines.map(({ event }) => event).filter((event) => event.startsWith("hand_over"));
  away = ["temporal"];
  let failures = 0;
  start = async () => {
    failures += 1;
    throw new Error(`Temporal is unavailable: ${failures}`);
  };
  const { round } = setup();
  await round();
  await vi.waitFor(() => expect(failures).toBe(10), PATIENCE);
  start = async ({ deliveryId }) => void starts.push(deliveryId);
  away = [];
  // The first subscription is failing now, and so out of the lane.
  await pending(1, "other.example");
  await round();
  await vi.waitFor(() => expect(events()).toEqual(["hand_over.failed", "hand_over.recovered"]), PATIENCE);
  expect(lines.find(({ event }) => event === "hand_over.failed")?.fields).toMatchObject({
    away: ["temporal"],
  });
});

test("the end of an outage of Temporal is logged, although no attempt fails after it", async () => {
  await pending(1);
  attempt = failedUntil(Date.now() + 10 * MINUTE_MS);
  const events = () => lines.map(({ event }) => event).filter((event) => /_over|_renewal/.test(event));
  away = ["temporal"];
  start = () => Promise.reject(new Error("Temporal is unavailable"));
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  try {
    const { round } = setup();
    await round();
    await vi.waitFor(() => expect(events()).toEqual(["hand_over.failed"]), PATIENCE);
    vi.advanceTimersByTime(LEASE_MS / 3);
    await new Promise((resolve) => setImmediate(resolve));
    expect(events()).toEqual(["hand_over.failed"]);
    away = [];
    vi.advanceTimersByTime(LEASE_MS / 3);
    await vi.waitFor(() => expect(events()).toEqual(["hand_over.failed", "hand_over.recovered"]), PATIENCE);
  } finally {
    vi.useRealTimers();
  }
});

test("a claim that took long is renewed by the age of its lease, not of its attempt", async () => {
  await pending(1);
  let end = () => {};
  attempt = () => new Promise((resolve) => (end = () => resolve({ kind: "over" })));
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  try {
    const { lane: direct } = setup();
    const now = Date.now() - LEASE_MS / 2;
    const claim = { owner: "test", limit: 1, inFlightMax: 1, leaseMs: LEASE_MS, now: () => now };
    const claimed = await claimDeliveries(bench.store, { ...claim, laneDefault: "direct" });
    direct.begin(claimed);
    vi.advanceTimersByTime(LEASE_MS / 3);
    // No second renewal comes.
    vi.useRealTimers();
    const row = bench.store.db.selectFrom("deliveries").select("lease_until");
    await vi.waitFor(
      async () => expect((await row.executeTakeFirstOrThrow()).lease_until).toBeGreaterThan(now + LEASE_MS),
      PATIENCE,
    );
  } finally {
    vi.useRealTimers();
    end();
  }
});

test("failed renewals log one line for an outage of the database", async () => {
  await pending(1);
  away = ["database"];
  let end = () => {};
  attempt = () => new Promise((resolve) => (end = () => resolve({ kind: "over" })));
  const { store } = bench;
  // SQLite cannot be unreachable.
  const isAway = {
    seam: { ...store.seam, isAway: () => true },
    ping: () => Promise.reject(new Error("away")),
  };
  const { round } = setup({ store: { ...store, ...isAway } });
  await round();
  await poison(store, { table: "deliveries", on: "update", condition: "1 = 1" });
  const failed = () => lines.filter(({ event }) => event === "claim_renewal.failed");
  await vi.waitFor(() => expect(failed()).toHaveLength(1), PATIENCE);
  expect(failed()[0]?.fields).toMatchObject({ failures: 1, away: ["database"] });
  end();
});

const overdueBy = async (now: number) =>
  (await listOverdue(bench.store, { now, limit: 10 })).deliveries.length;

function failedUntil(nextAttemptAt: number): typeof attempt {
  return async (deliveryId) => {
    await recordAttempt(bench.store, {
      deliveryId,
      attempt: failedAttempt({ startedAt: Date.now() }),
      state: "started",
      nextAttemptAt,
      awaitsWorkflow: true,
      endedReason: null,
      now: Date.now(),
    });
    return { kind: "hand_over", nextAttemptAt };
  };
}
