import { createHostPlaces, createShares } from "@posthaste/delivery/activities";
import { MINUTE_MS } from "@posthaste/domain";
import { createStopDeadline, silentLog } from "@posthaste/runtime";
import { createAccount, createSubscription, ingestEvents } from "@posthaste/store";
import { createTestStore } from "@posthaste/testkit";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createDispatcher } from "../src/loops/dispatch.ts";

// A round asks for places that were reserved more than a second ago.
beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }));
afterEach(() => void vi.useRealTimers());

test.each(["sqlite", "mysql"] as const)(
  "the place of an attempt that no worker makes, since all lack its key, is given back two minutes after its start, on %s",
  async (backend) => {
    const { store, dispose } = await createTestStore(backend);
    try {
      let now = Date.now();
      const { id: accountId } = await createAccount(store, { name: "test", now });
      const targetUrl = "https://receiver.example/";
      await createSubscription(store, {
        ...{ accountId, targetUrl, eventTypes: ["invoice_sent"], now },
        ...{ credential: null, acceptance: "OK_ONLY", timeoutMs: null },
      });
      const event = { eventType: "invoice_sent", data: Buffer.from("{}"), idempotencyKey: null };
      await ingestEvents(store, { accountId, now, deliveriesMax: 2, events: [event, event] });
      const shares = createShares(10);
      const hosts = createHostPlaces(2);
      const { round, stop } = createDispatcher({
        ...{ store, log: silentLog, now: () => now, owner: "test", shares, hosts },
        ...{ batch: 100, leaseMs: 30_000, inFlightMax: 10 },
        // Its first task goes to another worker, which lacks the key and writes nothing.
        start: async () => {},
      });
      const roundAfter = async (ms: number) => {
        now += ms;
        vi.advanceTimersByTime(ms);
        await round();
        await stop(createStopDeadline(60_000));
        return shares.size - shares.free();
      };
      expect(await roundAfter(0)).toBe(2);
      expect(await roundAfter(MINUTE_MS)).toBe(2);
      expect(await roundAfter(MINUTE_MS + 1)).toBe(0);
      expect(hosts.roomOf(accountId, targetUrl)).toBe(2);
    } finally {
      await dispose();
    }
  },
);
