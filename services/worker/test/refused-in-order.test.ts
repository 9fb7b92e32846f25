import { createShares } from "@posthaste/delivery/activities";
import { GRPC } from "@posthaste/delivery/client";
import type { AccountId, DeliveryId, SubscriptionId } from "@posthaste/domain";
import { createStopDeadline, silentLog } from "@posthaste/runtime";
import {
  advanceRecovery,
  createAccount,
  createRecovery,
  createSubscription,
  drainSubscription,
  ingestEvents,
  listDeliveries,
  pauseSubscription,
  resumeSubscription,
} from "@posthaste/store";
import { createTestStore, failedAttempt, recordAttempt, type TestStore } from "@posthaste/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createDispatcher } from "../src/loops/dispatch.ts";

const COUNT = 3;
const refusal = (code: number) => Object.assign(new Error("refused"), { code, details: "", metadata: {} });

describe.each(["sqlite", "mysql"] as const)("a start that is refused once, on %s", (backend) => {
  let bench: TestStore;
  let now: number;
  let accountId: AccountId;
  beforeEach(async () => {
    bench = await createTestStore(backend);
    now = Date.now();
    accountId = (await createAccount(bench.store, { name: "test", now })).id;
  });
  afterEach(() => bench.dispose());

  const subscribe = async (owner: AccountId) => {
    const { id } = await createSubscription(bench.store, {
      ...{ accountId: owner, targetUrl: "https://receiver.example/", eventTypes: ["*"], now },
      ...{ credential: null, acceptance: "OK_ONLY", timeoutMs: null },
    });
    return id;
  };
  const ingest = async (owner: AccountId) => {
    const event = { eventType: "invoice_sent", data: Buffer.from("{}"), idempotencyKey: null };
    const events = Array.from({ length: COUNT }, () => event);
    await ingestEvents(bench.store, { accountId: owner, now, deliveriesMax: 100, events });
  };
  /** Each makes deliveries that are to be sent in the order of ingest. */
  const kinds = {
    async replay() {
      await ingest(accountId);
      now += 20_000;
      const subscriptionId = await subscribe(accountId);
      const { id } = await createRecovery(bench.store, {
        ...{ accountId, kind: "replay", subscriptionId, isDryRun: false, ratePerSecond: 1_000 },
        ...{ sinceAt: 0, untilAt: now, now },
      });
      await advanceRecovery(bench.store, { id, limit: 100, now });
      return subscriptionId;
    },
    async drain() {
      const id = await subscribe(accountId);
      await pauseSubscription(bench.store, { accountId, id, now });
      await ingest(accountId);
      await resumeSubscription(bench.store, { accountId, id, now });
      await drainSubscription(bench.store, { id, now });
      return id;
    },
  };
  const inOrder = async (subscriptionId: SubscriptionId) =>
    (await listDeliveries(bench.store, { accountId, subscriptionId, limit: 100 }))
      .map(({ id }) => id)
      .reverse();
  /** Dispatches everything. The first start of `refused` fails, while another account's succeeds. */
  const dispatchAll = async (refused: DeliveryId, error: Error) => {
    const { id: other } = await createAccount(bench.store, { name: "other", now });
    await subscribe(other);
    await ingest(other);
    const sent: DeliveryId[] = [];
    let isRefused = false;
    const { promise: succeeded, resolve } = Promise.withResolvers<void>();
    const { round, stop } = createDispatcher({
      ...{ store: bench.store, log: silentLog, now: () => now, owner: "test" },
      ...{ batch: 100, leaseMs: 30_000, inFlightMax: 10, shares: createShares(100) },
      async start({ deliveryId, accountId: owner }) {
        if (owner === other) return resolve();
        if (deliveryId === refused && !isRefused) {
          isRefused = true;
          await succeeded;
          throw error;
        }
        sent.push(deliveryId);
        const attempt = failedAttempt({ startedAt: now, outcome: "accepted", status: 200 });
        const end = { state: "succeeded" as const, nextAttemptAt: null, endedReason: null };
        await recordAttempt(bench.store, { deliveryId, attempt, ...end, now });
      },
    });
    // A refused start is repeated after a second.
    for (let passedMs = 0; passedMs < 3_000; passedMs += 50, now += 50) {
      await round();
      await stop(createStopDeadline(60_000));
    }
    return sent;
  };

  for (const [kind, make] of Object.entries(kinds)) {
    test.each(["RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"] as const)(
      `with %s keeps the order of a ${kind}`,
      async (code) => {
        const ids = await inOrder(await make());
        expect(ids).toHaveLength(COUNT);
        expect(await dispatchAll(ids[0] as DeliveryId, refusal(GRPC[code]))).toEqual(ids);
      },
    );

    test(`for what the delivery is does not hold up the others of a ${kind}`, async () => {
      const [first, ...others] = await inOrder(await make());
      const sent = await dispatchAll(first as DeliveryId, refusal(GRPC.INVALID_ARGUMENT));
      expect(sent).toEqual([...others, first]);
    });
  }
});
