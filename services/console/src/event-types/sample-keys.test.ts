import { expect, test } from "vitest";
import { offeredKeys } from "./sample-keys.ts";

test("strings and numbers of the sample are offered as keys, with their pointers", () => {
  const sample = '{"ID":7,"To":{"a/b":"x","Paid":true,"None":null},"Lines":[{"ID":1}],"Note":"","~":"y"}';
  expect(offeredKeys(sample, [])).toEqual([
    { pointer: "/ID", value: "7" },
    { pointer: "/To/a~1b", value: "x" },
    { pointer: "/~0", value: "y" },
  ]);
});

test("keys that the sample lacks come along", () => {
  const chosen = ["/ID", "/Old"].map((pointer) => ({ pointer, sensitive: false }));
  expect(offeredKeys('{"ID":7}', chosen).map(({ pointer }) => pointer)).toEqual(["/ID", "/Old"]);
});

test("what the index leaves out, and more fields than anybody ticks off, are not offered", () => {
  expect(offeredKeys(JSON.stringify({ a: "é".repeat(129), [`${"b".repeat(256)}`]: 1, "c ": 1 }), [])).toEqual(
    [],
  );
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`f${i}`, i]));
  expect(offeredKeys(JSON.stringify(many), [])).toHaveLength(60);
});
