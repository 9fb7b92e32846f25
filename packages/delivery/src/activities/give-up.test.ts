import type { AccountId, DeliveryId } from "@posthaste/domain";
import { silentLog } from "@posthaste/runtime";
import type { Attempt, AttemptLedger, Store } from "@posthaste/store";
import { failedAttempt } from "@posthaste/testkit";
import { expect, test } from "vitest";
import { type Answer, keptAnswer, recordAnswer } from "./give-up.ts";

test.each([
  ["headers", { responseHeaders: [["x-large", "x".repeat(16_000)]] as [string, string][] }],
  ["bodies", { responseBody: Buffer.alloc(16_000) }],
])("answers that cannot be recorded are kept up to 16 MiB, also of %s", (what, large) => {
  const ids = Array.from({ length: 1_500 }, (_, i) => `del_${what}${i}` as DeliveryId);
  for (const id of ids) {
    // The database is away: nothing is recorded.
    const ledger = { record: () => new Promise(() => {}) } as Partial<AttemptLedger> as AttemptLedger;
    void recordAnswer({ store: {} as Store, ledger, now: () => 0 }, answerOf(id, large), silentLog);
  }
  const kept = ids.filter((id) => keptAnswer(id, 1) !== undefined);
  expect(kept.length).toBeGreaterThan(500);
  expect(kept.length * 16_000).toBeLessThanOrEqual(16 * 1024 * 1024);
  // The newest ones are kept.
  expect(kept.at(-1)).toBe(ids.at(-1));
});

function answerOf(deliveryId: DeliveryId, large: Partial<Attempt>): Answer {
  return {
    deliveryId,
    accountId: 1 as AccountId,
    attempt: failedAttempt({ startedAt: 0, ...large }),
    state: "started",
    nextAttemptAt: 1,
    endedReason: null,
    now: 0,
    blockedFor: null,
  };
}
