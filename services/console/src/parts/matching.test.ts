import { expect, test } from "vitest";
import { matching } from "./matching.ts";

const OPTIONS = [
  { id: "1", name: "a.example/in", about: "ID 1, The Ledger" },
  { id: "2", name: "a.example/in", about: "ID 2" },
];
const ids = (query: string) => matching(OPTIONS, query).map(({ id }) => id);

test("every word of a query is found, in the name or in what is told about it", () => {
  expect(ids("A.EXAMPLE")).toEqual(["1", "2"]);
  expect(ids("ledger a.ex")).toEqual(["1"]);
  expect(ids("id 2")).toEqual(["2"]);
  expect(ids("ledger 2")).toEqual([]);
  expect(ids("  ")).toEqual(["1", "2"]);
});
