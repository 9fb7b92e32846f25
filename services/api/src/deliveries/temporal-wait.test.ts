import type { AccountId } from "@posthaste/domain";
import { expect, test } from "vitest";
import { createTemporalWait } from "./temporal-wait.ts";

const AN_HOUR_MS = 3_600_000;
const FIRST = 1 as AccountId;
const SECOND = 2 as AccountId;

/** Requests that Temporal answers once `answer` is called; every second answer is an error. */
function unanswered() {
  const answers: (() => void)[] = [];
  return {
    sent: () => answers.length,
    answer: () => answers.splice(0).forEach((answer) => void answer()),
    request: () =>
      new Promise<void>((resolve, reject) => {
        const isError = answers.length % 2 === 1;
        answers.push(() => (isError ? reject(new Error("Temporal is busy")) : resolve()));
      }),
  };
}

test("a request that Temporal answers has its outcome", async () => {
  const { wait } = createTemporalWait(AN_HOUR_MS);
  expect(await wait(FIRST, async () => "retried")).toBe("retried");
  await expect(wait(FIRST, () => Promise.reject(new Error("unreachable")))).rejects.toThrow("unreachable");
});

test("requests go on without their callers: a hundred of an account, counted from their start", async () => {
  const { wait } = createTemporalWait(1);
  const temporal = unanswered();
  const outcomes = await Promise.allSettled(Array.from({ length: 300 }, () => wait(FIRST, temporal.request)));
  expect(temporal.sent()).toBe(100);
  const reasons = outcomes.map((outcome) => String((outcome as PromiseRejectedResult).reason));
  expect(reasons[0]).toContain("did not answer within 1 ms; the request goes on");
  expect(reasons[299]).toContain("100 of the account's requests");

  // Another account is not kept from asking.
  expect(await wait(SECOND, async () => "retried")).toBe("retried");
  temporal.answer();
  await expect.poll(() => wait(FIRST, async () => "retried").catch(String)).toBe("retried");
});

test("all accounts together have four hundred under way, and a few of them leave room for another", async () => {
  const { wait, settled } = createTemporalWait(1);
  const temporal = unanswered();
  const ask = (id: number) => wait(id as AccountId, temporal.request);
  await Promise.allSettled(Array.from({ length: 800 }, (_, i) => ask(i % 4)));
  const byFour = temporal.sent();
  expect(byFour).toBeGreaterThan(350);
  await expect(ask(4)).rejects.toThrow("did not answer");
  expect(temporal.sent()).toBe(byFour + 1);

  await Promise.allSettled(Array.from({ length: 400 }, (_, i) => ask(5 + i)));
  expect(temporal.sent()).toBe(400);
  await expect(ask(5_000)).rejects.toThrow("400 in all");

  temporal.answer();
  await settled();
  expect(await wait(4 as AccountId, async () => "retried")).toBe("retried");
});
