import { expect, test } from "vitest";
import { asOne } from "./as-one.ts";

test("those who ask while a question is under way share it, and the next one asks again", async () => {
  const asked: PromiseWithResolvers<number>[] = [];
  const why = asOne(async () => {
    const question = Promise.withResolvers<number>();
    asked.push(question);
    return await question.promise;
  });
  const first = [why(), why(), why()];
  asked[0]?.resolve(1);
  expect(await Promise.all(first)).toEqual([1, 1, 1]);
  const second = [why(), why()];
  asked[1]?.reject(new Error("away"));
  for (const { status } of await Promise.allSettled(second)) expect(status).toBe("rejected");
  const third = why();
  asked[2]?.resolve(3);
  expect(await third).toBe(3);
  expect(asked).toHaveLength(3);
});
