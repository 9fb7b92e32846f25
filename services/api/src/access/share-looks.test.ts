import { expect, test } from "vitest";
import { shareLooks } from "./share-looks.ts";

function setup() {
  const resolvers: (() => void)[] = [];
  const started: string[] = [];
  const lookUp = shareLooks(async (key) => {
    started.push(key);
    const number = started.length;
    await new Promise<void>((resolve) => resolvers.push(resolve));
    return `${key} ${number}`;
  });
  return { lookUp, started, resolvers };
}

test("calls in one turn share a look-up; a call after its start gets another", async () => {
  const { lookUp, started, resolvers } = setup();
  const first = [lookUp("a"), lookUp("a"), lookUp("b")];
  expect(started).toEqual([]);
  await new Promise(setImmediate);
  expect(started).toEqual(["a", "b"]);
  const later = lookUp("a");
  await new Promise(setImmediate);
  expect(started).toEqual(["a", "b", "a"]);
  for (const resolve of resolvers) resolve();
  expect(await Promise.all([...first, later])).toEqual(["a 1", "a 1", "b 2", "a 3"]);
});

test("a failed look-up rejects every call that shares it and is not cached", async () => {
  let fails = true;
  const lookUp = shareLooks(async (key) => {
    if (fails) throw new Error("unavailable");
    return key;
  });
  const settled = await Promise.allSettled([lookUp("a"), lookUp("a")]);
  expect(settled.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  fails = false;
  expect(await lookUp("a")).toBe("a");
});
