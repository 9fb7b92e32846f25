import { expect, test } from "vitest";
import { shareLooks } from "./share-looks.ts";

function setup() {
  const ends: (() => void)[] = [];
  const looked: string[] = [];
  const look = shareLooks(async (key) => {
    looked.push(key);
    const number = looked.length;
    await new Promise<void>((resolve) => ends.push(resolve));
    return `${key} ${number}`;
  });
  return { look, looked, ends };
}

test("those who ask in one turn share a look; who asks once it has begun gets another", async () => {
  const { look, looked, ends } = setup();
  const first = [look("a"), look("a"), look("b")];
  expect(looked).toEqual([]);
  await new Promise(setImmediate);
  expect(looked).toEqual(["a", "b"]);
  const later = look("a");
  await new Promise(setImmediate);
  expect(looked).toEqual(["a", "b", "a"]);
  for (const end of ends) end();
  expect(await Promise.all([...first, later])).toEqual(["a 1", "a 1", "b 2", "a 3"]);
});

test("a look that fails fails for those who share it, and is not kept", async () => {
  let fails = true;
  const look = shareLooks(async (key) => {
    if (fails) throw new Error("away");
    return key;
  });
  const settled = await Promise.allSettled([look("a"), look("a")]);
  expect(settled.map((one) => one.status)).toEqual(["rejected", "rejected"]);
  fails = false;
  expect(await look("a")).toBe("a");
});
