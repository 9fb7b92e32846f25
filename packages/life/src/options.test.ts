import { expect, test } from "vitest";
import { parseLifeOptions } from "./options.ts";

test("by default, three months are lived with a million events on both databases", () => {
  expect(parseLifeOptions([])).toEqual({ databases: ["sqlite", "mysql"], months: 3, events: 1_000_000 });
});

test("a command line that is not valid is refused with a reason", () => {
  expect(() => parseLifeOptions(["--database", "oracle"])).toThrow("choose sqlite, mysql or both");
  expect(() => parseLifeOptions(["--months", "1"])).toThrow("--months");
  expect(() => parseLifeOptions(["--years", "1"])).toThrow("npm run life -- --help");
});
