import type { AccountId } from "@posthaste/domain";
import { expect, test } from "vitest";
import { type CostlyReads, createCostlyReads } from "./costly-reads.ts";

const [A, B] = [1, 2] as [AccountId, AccountId];
const turn = () => new Promise(setImmediate);

/** Begins reads that end when the test says so, and notes their order. */
function setup(connections: number, waitingMax = 10) {
  const reads: CostlyReads = createCostlyReads({ connections, streams: 0, waitingMax });
  const running = new Map<string, () => void>();
  const begin = (accountId: AccountId, name: string, signal?: AbortSignal) =>
    reads.run(
      accountId,
      () => new Promise<{ name: string }>((resolve) => running.set(name, () => resolve({ name }))),
      signal,
    );
  const end = async (name: string) => {
    running.get(name)?.();
    running.delete(name);
    await turn();
  };
  return { reads, begin, end, running: () => [...running.keys()] };
}

test("costly reads take half of the connections, and accounts take turns", async () => {
  const { reads, begin, end, running } = setup(4);
  for (const name of ["a1", "a2", "a3", "a4"]) void begin(A, name);
  void begin(B, "b1");
  await turn();
  expect(running()).toEqual(["a1", "a2"]);
  await end("a1");
  expect(running()).toEqual(["a2", "a3"]);
  await end("a2");
  expect(running()).toEqual(["a3", "b1"]);
  for (const name of ["a3", "b1", "a4"]) await end(name);
  expect(reads.open()).toBe(0);
});

test.each([1, 2, 3])("of %i connections one is for costly reads", async (connections) => {
  const { begin, running } = setup(connections);
  for (const name of ["a1", "a2"]) void begin(A, name);
  await turn();
  expect(running()).toEqual(["a1"]);
});

test("if too many wait, the newest of the account with the most is refused, whoever comes", async () => {
  const { begin, end, running } = setup(2, 2);
  const [, , last] = ["a1", "a2", "a3"].map((name) => begin(A, name));
  void begin(B, "b1");
  await expect(last).rejects.toMatchObject({
    code: "too_many",
    reason: "REQUESTS_FULL",
    retryAfterMs: 1_000,
    message: expect.stringMatching(/^1 costly reads of this account wait already/),
  });
  await end("a1");
  await end("a2");
  expect(running()).toEqual(["b1"]);
});

test("a read leaves the queue when nobody waits for it any more, and one that runs goes on", async () => {
  const { reads, begin, end, running } = setup(2);
  const [gone, stays] = [new AbortController(), new AbortController()];
  const first = begin(A, "a1", stays.signal);
  const second = begin(A, "a2", gone.signal);
  await turn();
  gone.abort();
  stays.abort();
  expect(await second).toBeUndefined();
  expect(await begin(A, "a3", AbortSignal.abort())).toBeUndefined();
  expect([running(), reads.open()]).toEqual([["a1"], 1]);
  await end("a1");
  expect(await first).toEqual({ name: "a1" });
  expect(reads.open()).toBe(0);
});

test("a read that fails gives its place back", async () => {
  const { reads, begin, running } = setup(1);
  await expect(reads.run(A, () => Promise.reject(new Error("away")), undefined)).rejects.toThrow("away");
  void begin(A, "a1");
  await turn();
  expect(running()).toEqual(["a1"]);
});
