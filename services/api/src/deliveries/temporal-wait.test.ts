import { expect, test } from "vitest";
import { createTemporalWait } from "./temporal-wait.ts";

const AN_HOUR_MS = 3_600_000;

test("a request that Temporal answers has its outcome", async () => {
  const wait = createTemporalWait(AN_HOUR_MS);
  expect(await wait(async () => "retried")).toBe("retried");
  await expect(wait(() => Promise.reject(new Error("unreachable")))).rejects.toThrow("unreachable");
});

test("a request goes on without its caller, and a hundred of them keep further ones from being sent", async () => {
  const wait = createTemporalWait(1);
  const ends: (() => void)[] = [];
  let ended = 0;
  const slow = async () => {
    await new Promise<void>((resolve) => ends.push(resolve));
    ended += 1;
    if (ended % 2 === 0) throw new Error("Temporal answered with an error, and nobody waits for it");
  };
  const answers = await Promise.allSettled(Array.from({ length: 100 }, () => wait(slow)));
  expect(answers.map(({ status }) => status)).toEqual(Array(100).fill("rejected"));
  expect(String((answers[0] as PromiseRejectedResult).reason)).toContain("did not answer within 1 ms");
  expect(ended).toBe(0);
  await expect(wait(slow)).rejects.toThrow("100 earlier requests");
  expect(ends).toHaveLength(100);

  for (const end of ends) end();
  await expect.poll(() => ended).toBe(100);
  expect(await wait(async () => "retried")).toBe("retried");
});
