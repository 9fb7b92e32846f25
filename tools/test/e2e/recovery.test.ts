import { setTimeout as sleep } from "node:timers/promises";
import { recoverThroughTrouble } from "@posthaste/bench/recover-through-trouble";
import { RecoveryState } from "@posthaste/contracts/delivery";
import { type Stack, startStack } from "@posthaste/stack";
import { setLane } from "@posthaste/store";
import { startReceiver } from "@posthaste/testkit";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { endStack } from "./end-stack.ts";

const PATIENCE = { timeout: 60_000, interval: 100 };

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ workers: 2 });
});
afterAll(() => endStack(stack));

/**
 * The recovery takes a tenth of these per second, so it needs about ten steps, between which the trouble
 * happens.
 */
const FAILED = 300;

test("a recovery misses no failed delivery and repeats none, although it is paused and a worker is killed", async () => {
  const { seconds, repeatedRequests, ...result } = await recoverThroughTrouble(stack, FAILED);
  expect(result).toEqual({ deliveries: FAILED, missed: 0, twice: 0, madeWhilePaused: 0 });
  // Only the requests in flight when the worker was killed.
  expect(repeatedRequests).toBeLessThan(100);
  expect(seconds).toBeGreaterThan(0);
}, 400_000);

test.each([
  ["workflow", "contact_created"],
  ["direct", "contact_updated"],
] as const)(
  "a replay sends earlier events in the %s lane, in their order, and shows its progress",
  async (lane, eventType) => {
    await setLane(stack.store, { id: stack.accountId, lane, now: Date.now() });
    const receiver = await startReceiver();
    // Without the order, several are under way at once, and the first comes last.
    receiver.answer(async (_, n) => {
      await sleep(n === 1 ? 500 : 0);
      return { kind: "status", status: 200 };
    });
    try {
      const events = Array.from({ length: 20 }, (_, i) => ({
        eventType,
        snapshot: { case: "dataJson" as const, value: `{"n":${i}}` },
      }));
      await stack.client.events.ingestEvents({ events });
      const subscriptionId = await stack.subscribe(receiver.url, eventType);
      const { recovery } = await stack.client.deliveries.replayEvents({
        subscriptionId,
        since: { seconds: 0n },
      });
      await vi.waitFor(async () => {
        const { recovery: now } = await stack.client.deliveries.getRecovery({ id: recovery?.id ?? 0 });
        expect(now).toMatchObject({ state: RecoveryState.COMPLETED, made: 20n, leftOut: 0n });
      }, PATIENCE);
      const requests = await receiver.waitFor(20, { timeoutMs: 60_000 });
      expect(requests.map(({ body }) => body.toString())).toEqual(events.map((_, n) => `[{"n":${n}}]`));
    } finally {
      await receiver.stop();
    }
  },
  120_000,
);
