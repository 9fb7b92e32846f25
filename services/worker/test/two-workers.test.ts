import { type AttemptDeps, attemptDirectly, createShares } from "@posthaste/delivery/activities";
import { EGRESS_PORTS_DEFAULT, parseNetworks, type Rate } from "@posthaste/domain";
import { createEgress } from "@posthaste/egress";
import { createStopDeadline, noTracer, silentLog } from "@posthaste/runtime";
import {
  claimDeliveries,
  createAccount,
  createAttemptLedger,
  createSubscription,
  ingestEvents,
  type Store,
} from "@posthaste/store";
import { createTestStore, poison, type Receiver, startReceiver, type TestStore } from "@posthaste/testkit";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createDirectLane } from "../src/loops/direct-lane.ts";
import { createDirectRound } from "../src/loops/dispatch.ts";
import { createHeldClaims } from "../src/loops/held-claims.ts";

const LEASE_MS = 30_000;
const PATIENCE = { timeout: 30_000, interval: 10 };
/** One attempt in fifty seconds: less than two leases. */
const SLOW: Rate = { perSecond: 0.02, burst: 1 };

/*
 * Two workers of the direct lane on one database. One of them is slow: the installation's clock goes on when
 * the test says so. The attempts of the other one are not recorded before the slow one has ended.
 */
describe.each(["sqlite", "mysql"] as const)("a worker that is slower than its lease, on %s", (backend) => {
  let database: TestStore;
  let receiver: Receiver;
  let egress: ReturnType<typeof createEgress>;
  let time: number;
  let slowHasEnded: PromiseWithResolvers<void>;
  let other: ReturnType<typeof createWorker>;

  beforeEach(async () => {
    database = await createTestStore(backend);
    receiver = await startReceiver();
    egress = createEgress({
      rules: { allow: parseNetworks("127.0.0.0/8"), deny: [], ports: EGRESS_PORTS_DEFAULT },
    });
    time = Date.now();
    slowHasEnded = Promise.withResolvers();
    other = createWorker("other", { recording: () => slowHasEnded.promise });
  });
  afterEach(async () => {
    slowHasEnded.resolve();
    await other.stop();
    egress.close();
    await receiver.stop();
    await database.dispose();
  });

  type Pauses = {
    store?: Store;
    loaded?: () => Promise<void>;
    requesting?: () => Promise<void>;
    recording?: () => Promise<void>;
  };

  /** @param pauses what happens once an attempt is loaded, before its headers, and before its record */
  function createWorker(owner: string, pauses: Pauses = {}) {
    const { store = database.store, loaded, requesting, recording } = pauses;
    const ledger = createAttemptLedger(store);
    const shares = createShares(10);
    const now = () => time;
    const paused: typeof ledger = {
      ...ledger,
      async load(...asked) {
        const context = await ledger.load(...asked);
        await loaded?.();
        return context;
      },
      async record(record) {
        await recording?.();
        return await ledger.record(record);
      },
    };
    const deps: AttemptDeps = {
      ...{ store, now, log: silentLog, egress: egress.post, concurrencyDefault: 10 },
      ...{ ledger: paused, shares: { first: shares, retries: shares } },
      tracer: {
        ...noTracer,
        async span(name, options, body) {
          if (options.kind === "client") await requesting?.();
          return await noTracer.span(name, options, body);
        },
      },
    };
    const options = {
      ...{ store, ledger, now, owner, shares, log: silentLog, leaseMs: LEASE_MS },
      ...{ whatIsAway: async () => [], start: async () => {}, onRoom: () => {} },
    };
    const lane = createDirectLane({
      ...options,
      attempt: (delivery, holdsClaim) => attemptDirectly(deps, { ...delivery, holdsClaim }),
    });
    const dispatch = { ...options, batch: 100, inFlightMax: 10, laneDefault: "direct" as const };
    const round = createDirectRound(dispatch, lane);
    return { round, shares, stop: () => lane.stop(createStopDeadline(60_000)) };
  }

  /** Creates pending deliveries of a subscription. */
  async function pending(count: number, rate: Rate | null = null): Promise<void> {
    const { store } = database;
    const { id: accountId } = await createAccount(store, { name: "test", now: time });
    const subscription = { accountId, targetUrl: receiver.url, eventTypes: ["*"], credential: null, rate };
    await createSubscription(store, { ...subscription, acceptance: "OK_ONLY", timeoutMs: null, now: time });
    const event = { eventType: "invoice_sent", data: Buffer.from("{}"), idempotencyKey: null };
    const events = Array.from({ length: count }, () => event);
    await ingestEvents(store, { accountId, now: time, deliveriesMax: 1_000, events });
  }
  const pass = (ms: number) => {
    time += ms;
  };
  /** The slow worker does nothing for two leases, and the other one claims what is free. */
  const stall = async () => {
    pass(2 * LEASE_MS);
    await other.round();
  };
  /** Ends both workers, and returns how many requests came for each delivery. */
  async function requestsAfter(slow: ReturnType<typeof createWorker>): Promise<number[]> {
    await slow.round();
    await slow.stop();
    expect(slow.shares.free()).toBe(slow.shares.size);
    slowHasEnded.resolve();
    await other.stop();
    const ids = receiver.requests.map(({ headers }) => headers["webhook-delivery"]);
    return [...Map.groupBy(ids, (id) => id).values()].map(({ length }) => length);
  }
  const leases = async () =>
    await database.store.db.selectFrom("deliveries").select(["lease_owner", "lease_until"]).execute();

  test("has leases that begin when it has the rows, so nobody claims them beside it", async () => {
    await pending(3);
    const before = async () => pass(2 * LEASE_MS);
    let found: string | undefined;
    const after = async () => {
      found = await other.round();
    };
    const store = hooked(database.store, 1, { before, after });
    expect(await requestsAfter(createWorker("slow", { store }))).toEqual([1, 1, 1]);
    expect(found).toBe("done");
  });

  test("sends nothing that another one has claimed since its claim", async () => {
    await pending(3);
    const store = hooked(database.store, 1, { after: stall });
    expect(await requestsAfter(createWorker("slow", { store }))).toEqual([1, 1, 1]);
  });

  test("sends nothing that another one has claimed while it waited for its turn", async () => {
    // With a rate, a second transaction says when to send.
    await pending(1, SLOW);
    const store = hooked(database.store, 2, { after: stall });
    expect(await requestsAfter(createWorker("slow", { store }))).toEqual([1]);
  });

  test("sends nothing that another one has claimed while its requests were signed", async () => {
    await pending(3);
    let isFirst = true;
    const requesting = async () => {
      if (!isFirst) return;
      isFirst = false;
      await stall();
    };
    expect(await requestsAfter(createWorker("slow", { requesting }))).toEqual([1, 1, 1]);
  });

  test("does not give back the turn of another one that has claimed the delivery", async () => {
    await pending(1, SLOW);
    const loaded = async () => {
      await stall();
      await vi.waitFor(() => expect(receiver.requests).toHaveLength(1), PATIENCE);
    };
    const slow = createWorker("slow", { loaded });
    await slow.round();
    await slow.stop();
    expect(await leases()).toEqual([{ lease_owner: "other", lease_until: time + LEASE_MS }]);
  });

  test("goes on with what nobody else has claimed, under a new lease", async () => {
    await pending(3);
    const store = hooked(database.store, 1, { after: async () => pass(2 * LEASE_MS) });
    const loaded = vi.fn(async () => {});
    const recording = vi.fn(async () => void (await other.round()));
    expect(await requestsAfter(createWorker("slow", { store, loaded, recording }))).toEqual([1, 1, 1]);
    expect(recording).toHaveBeenCalledTimes(3);
  });

  test("renews its claims by a lease that begins when it has the rows", async () => {
    await pending(1);
    const { claims, id } = await held(hooked(database.store, 2, { before: async () => pass(2 * LEASE_MS) }));
    pass(LEASE_MS / 2);
    await claims.renew();
    expect(await leases()).toEqual([{ lease_owner: "slow", lease_until: time + LEASE_MS }]);
    expect(await claims.holds(id)).toBe(true);
  });

  test("holds no claim whose lease is nearly over and cannot be renewed", async () => {
    await pending(1);
    const { claims, id } = await held(database.store);
    await poison(database.store, { table: "deliveries", on: "update", condition: "1 = 1" });
    pass(LEASE_MS / 2);
    expect(await claims.holds(id)).toBe(true);
    pass(LEASE_MS / 4);
    expect(await claims.holds(id)).toBe(false);
  });

  /** Claims a delivery whose attempt is under way. */
  async function held(store: Store) {
    const now = () => time;
    const lease = { owner: "slow", leaseMs: LEASE_MS, now };
    const claims = createHeldClaims({ ...lease, store, log: silentLog, whatIsAway: async () => [] });
    const [claimed] = await claimDeliveries(store, { ...lease, limit: 1, inFlightMax: 1 });
    if (claimed === undefined) throw new Error("nothing was claimed");
    claims.add(claimed);
    return { claims, id: claimed.deliveryId };
  }
});

/** Wraps a store so that something happens before and after one of its transactions, counted from 1. */
function hooked(
  store: Store,
  number: number,
  { before, after }: { before?: () => Promise<void>; after?: () => Promise<void> },
): Store {
  let count = 0;
  const db = new Proxy(store.db, {
    get(target, key) {
      if (key === "transaction") count += 1;
      if (key !== "transaction" || count !== number) {
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === "function" ? value.bind(target) : value;
      }
      return () => ({
        async execute(body: Parameters<ReturnType<Store["db"]["transaction"]>["execute"]>[0]) {
          await before?.();
          const result = await target.transaction().execute(body);
          await after?.();
          return result;
        },
      });
    },
  });
  return { ...store, db };
}
