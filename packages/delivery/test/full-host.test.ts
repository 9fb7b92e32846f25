import { type DeliveryId, EGRESS_PORTS_DEFAULT, MINUTE_MS, parseNetworks } from "@posthaste/domain";
import { createEgress } from "@posthaste/egress";
import { silentLog } from "@posthaste/runtime";
import {
  claimDeliveries,
  createAccount,
  createAttemptLedger,
  createSubscription,
  getDelivery,
  ingestEvents,
} from "@posthaste/store";
import { createTestStore, failedAttempt, recordAttempt, startReceiver } from "@posthaste/testkit";
import { expect, test } from "vitest";
import { attemptDelivery } from "../src/activities/attempt-delivery.ts";
import { createHostPlaces, createShares } from "../src/activities/index.ts";

test.each(["sqlite", "mysql"] as const)(
  "a retry waits while its account's attempts have all places at its host, on %s",
  async (backend) => {
    const database = await createTestStore(backend);
    const receiver = await startReceiver();
    const egress = createEgress({
      rules: { allow: parseNetworks("127.0.0.0/8"), deny: [], ports: EGRESS_PORTS_DEFAULT },
    });
    try {
      const { store } = database;
      let now = Date.now();
      const { id: accountId } = await createAccount(store, { name: "test", now });
      await createSubscription(store, {
        ...{ accountId, targetUrl: receiver.url, eventTypes: ["invoice_sent"], now },
        ...{ credential: null, acceptance: "OK_ONLY", timeoutMs: null },
      });
      const event = { eventType: "invoice_sent", data: Buffer.from("{}"), idempotencyKey: null };
      await ingestEvents(store, { accountId, now, deliveriesMax: 1, events: [event] });
      const claim = { owner: "test", limit: 1, inFlightMax: 1, leaseMs: MINUTE_MS, now: () => now };
      const [claimed] = await claimDeliveries(store, claim);
      if (claimed === undefined) throw new Error("nothing was claimed");
      const { deliveryId } = claimed;
      const first = { attempt: failedAttempt({ startedAt: now }), state: "started" as const };
      await recordAttempt(store, { deliveryId, ...first, nextAttemptAt: now, endedReason: null, now });

      const hosts = createHostPlaces(1);
      const shares = { first: createShares(10), retries: createShares(10) };
      const deps = {
        ...{ store, log: silentLog, now: () => now, ledger: createAttemptLedger(store), shares, hosts },
        ...{ concurrencyDefault: 1, egress: egress.post },
      };
      const retry = async () =>
        await attemptDelivery(deps, { deliveryId }, { number: 2, shares: shares.retries });
      const another = "dlv_another" as DeliveryId;
      hosts.begin(another, accountId, `${receiver.url}another`);
      await expect(retry()).rejects.toMatchObject({ message: expect.stringContaining("places at the host") });
      expect(receiver.requests).toEqual([]);
      const { nextAttemptAt } = (await getDelivery(store, { accountId, id: deliveryId })) ?? {};
      expect(nextAttemptAt).toBeGreaterThanOrEqual(now + 5_000);

      hosts.end(another);
      now = nextAttemptAt ?? now;
      expect(await retry()).toMatchObject({ state: "succeeded" });
      expect(hosts.roomOf(accountId, receiver.url)).toBe(1);
    } finally {
      egress.close();
      await receiver.stop();
      await database.dispose();
    }
  },
);
