import { type AccountId, EGRESS_PORTS_DEFAULT, parseNetworks } from "@posthaste/domain";
import { createEgress } from "@posthaste/egress";
import { silentLog } from "@posthaste/runtime";
import {
  claimDeliveries,
  createAccount,
  createAttemptLedger,
  createSubscription,
  createTestDelivery,
  type NewSubscription,
} from "@posthaste/store";
import { createTestStore, type Receiver, startReceiver, type TestStore } from "@posthaste/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { attemptDirectly, createShares } from "../src/activities/index.ts";

describe.each(["sqlite", "mysql"] as const)(
  "a host that may have one unproven subscription, on %s",
  (backend) => {
    let database: TestStore;
    let receiver: Receiver;
    let egress: ReturnType<typeof createEgress>;
    let accountId: AccountId;
    beforeEach(async () => {
      database = await createTestStore(backend);
      receiver = await startReceiver();
      egress = createEgress({
        rules: { allow: parseNetworks("127.0.0.0/8"), deny: [], ports: EGRESS_PORTS_DEFAULT },
      });
      accountId = (await createAccount(database.store, { name: "test", now: Date.now() })).id;
    });
    afterEach(async () => {
      egress.close();
      await receiver.stop();
      await database.dispose();
    });

    const subscribe = async (path: string) => await subscribeAt(receiver.url, path);
    const subscribeAt = async (url: string, path: string) =>
      await createSubscription(database.store, {
        ...{
          accountId,
          targetUrl: `${url}${path}`,
          eventTypes: ["invoice_sent"],
          unprovenHostMax: 1,
        },
        ...{ credential: null, acceptance: "OK_ONLY", timeoutMs: null, now: Date.now() },
      });
    /** Sends a test event. */
    const attempt = async ({ id }: NewSubscription) => {
      const { store } = database;
      const now = Date.now();
      const event = { eventType: "invoice_sent", data: Buffer.from("{}") };
      await createTestDelivery(store, { accountId, subscriptionId: id, now, ...event });
      const claim = { owner: "test", limit: 1, inFlightMax: 1, leaseMs: 60_000, now: () => now };
      const [claimed] = await claimDeliveries(store, claim);
      if (claimed === undefined) throw new Error("nothing was claimed");
      const deps = {
        ...{ store, log: silentLog, now: () => Date.now(), ledger: createAttemptLedger(store) },
        ...{ concurrencyDefault: 1, shares: { first: createShares(1), retries: createShares(1) } },
        egress: egress.post,
      };
      await attemptDirectly(deps, claimed);
    };

    test.each([200, 204, 299])("has any number once it has answered one with %i", async (status) => {
      receiver.answer({ kind: "status", status });
      const first = await subscribe("/1");
      await expect(subscribe("/2")).rejects.toMatchObject({ code: "too_many" });
      await attempt(first);
      await subscribe("/2");
      await subscribe("/3");
    });

    test("has another once it has answered, though an earlier release moved the subscription there", async () => {
      receiver.answer({ kind: "status", status: 200 });
      const first = await subscribeAt("https://proven.example", "/1");
      // A process of such a release writes neither the host nor that it is not proven.
      const url = { target_url: `${receiver.url}/1`, target_hash: Buffer.alloc(32, 1), host_proven: 1 };
      await database.store.db.updateTable("subscriptions").set(url).where("id", "=", first.id).execute();
      await attempt(first);
      await subscribe("/2");
      await subscribe("/3");
    });

    test.each([302, 404, 410, 500])("has no other after an answer of %i", async (status) => {
      receiver.answer({ kind: "status", status });
      await attempt(await subscribe("/1"));
      await expect(subscribe("/2")).rejects.toMatchObject({ code: "too_many" });
    });
  },
);
