import { describe, expect, test } from "vitest";
import { headerChangesOf, newRow, problemOfNames, rowsOfValues, valuesOf } from "./named-values.ts";

test("values become rows in alphabetical order, and rows become values", () => {
  const rows = rowsOfValues({ team: "a", cost: "" });
  expect(rows.map(({ name }) => name)).toEqual(["cost", "team"]);
  expect(valuesOf([...rows, newRow(" tier ", " 1 "), newRow()])).toEqual({
    cost: "",
    team: "a",
    tier: " 1 ",
  });
});

describe("the changes of headers", () => {
  const stored = ["x-a", "x-b"];
  const rows = stored.map((name) => newRow(name, "", true));

  test("are none while nobody has typed or removed anything", () => {
    expect(headerChangesOf(rows, stored)).toBeUndefined();
    expect(headerChangesOf([...rows, newRow()], stored)).toBeUndefined();
  });

  test("set new values and new headers, and remove those whose rows are gone", () => {
    const [first] = rows;
    const typed = first === undefined ? [] : [{ ...first, value: "1" }, newRow("X-C", "2")];
    expect(headerChangesOf(typed, stored)).toEqual({ set: { "x-a": "1", "X-C": "2" }, remove: ["x-b"] });
  });

  test("replace a header that was removed and added again", () => {
    expect(headerChangesOf([newRow("x-a", "1")], ["x-a"])).toEqual({ set: { "x-a": "1" }, remove: ["x-a"] });
  });
});

test("a value without a name and a name that is there twice are problems", () => {
  expect(problemOfNames([newRow("a", "1"), newRow("A", "2"), newRow()], "entry")).toBe("");
  expect(problemOfNames([newRow("", "1")], "entry")).toBe("Enter the name of the entry, or remove its row.");
  expect(problemOfNames([newRow("a"), newRow("a ", "2")], "entry")).toContain("The entry a is there twice.");
  const lower = (name: string) => name.toLowerCase();
  expect(problemOfNames([newRow("x-a", "", true), newRow("X-A", "1")], "header", lower)).toContain("twice");
});
