import { DAY_MS } from "@posthaste/domain";
import { silentLog } from "@posthaste/runtime";
import {
  closeStore,
  countChanges,
  createAccount,
  createSubscription,
  ingestEvents,
  orderChanges,
} from "@posthaste/store";
import { createTestStore, poison, type TestStore } from "@posthaste/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RETENTION_AGES, retainStep } from "../src/activities/retain-step.ts";
import type { RetainInput } from "../src/names.ts";

const YEAR_MS = 365 * DAY_MS;

describe.each(["sqlite", "mysql"] as const)("a step of retention, on %s", (backend) => {
  let bench: TestStore;
  beforeEach(async () => {
    bench = await createTestStore(backend);
    const now = Date.now() - YEAR_MS;
    const { id: accountId } = await createAccount(bench.store, { name: "old", now });
    const event = { eventType: "invoice_sent", data: Buffer.from("{}"), idempotencyKey: "a" };
    await ingestEvents(bench.store, { accountId, now, deliveriesMax: 1, events: [event] });
  });
  afterEach(() => bench.dispose());

  const step = (input: RetainInput, store = bench.store) =>
    retainStep({ store, log: silentLog, now: () => Date.now() }, RETENTION_AGES, input);

  test("goes on with the next kind if rows of its kind cannot be deleted", async () => {
    await poison(bench.store, { table: "idempotency_keys", on: "delete", condition: "1 = 1" });
    let at: RetainInput = { kind: "idempotency_keys" };
    const kinds: string[] = [];
    for (;;) {
      const { next, summary } = await step(at);
      kinds.push(at.kind ?? "");
      if (next === undefined) {
        expect(summary).toContain("0 idempotency_keys, 0 attempts, 1 events");
        break;
      }
      at = next;
    }
    expect(kinds).toEqual([
      "idempotency_keys",
      "attempts",
      "events",
      "changes",
      "removed_event_types",
      "audit_entries",
    ]);
  });

  test("says so if old changes stay because they are not counted yet", async () => {
    const { store } = bench;
    const now = Date.now() - YEAR_MS;
    const { id: accountId } = await createAccount(store, { name: "watched", now });
    await createSubscription(store, {
      ...{ accountId, targetUrl: "https://receiver.example/", eventTypes: ["*"], now },
      ...{ credential: null, acceptance: "OK_ONLY", timeoutMs: null },
    });
    const event = { eventType: "invoice_sent", data: Buffer.from("{}"), idempotencyKey: null };
    await ingestEvents(store, { accountId, now, deliveriesMax: 1, events: [event] });
    const madeAt = Date.now() - 10 * DAY_MS;
    await store.db.updateTable("delivery_changes").set({ changed_at: madeAt }).execute();
    await orderChanges(store, Date.now());
    const lines: unknown[] = [];
    const log = { ...silentLog, warn: (...line: unknown[]) => lines.push(line) };
    const changes = async () => {
      const deps = { store, log, now: () => Date.now() };
      const { summary } = await retainStep(deps, RETENTION_AGES, { kind: "changes" });
      return /\d+ changes/.exec(summary)?.[0];
    };
    expect(await changes()).toBe("0 changes");
    const since = new Date(madeAt).toISOString();
    expect(lines).toEqual([["retention.uncounted", { kind: "changes", since }]]);
    expect(await countChanges(store)).toBe(1);
    expect(await changes()).toBe("1 changes");
    expect(lines).toHaveLength(1);
  });

  test("fails if the database is unavailable, so that Temporal repeats it", async () => {
    const { store } = bench;
    await closeStore(store);
    const away = { ...store, ping: () => Promise.reject(new Error("no answer")) };
    await expect(step({ kind: "events" }, away)).rejects.toThrow("the worker or its database failed");
  });
});
