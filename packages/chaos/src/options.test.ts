import { expect, test } from "vitest";
import { parseChaosOptions } from "./options.ts";

test("the default is a minute on both databases with a random seed", () => {
  const options = parseChaosOptions([]);
  expect(options).toMatchObject({
    seconds: 60,
    seed: expect.any(Number),
    databases: ["sqlite", "mysql"],
    lane: "workflow",
  });
  expect(parseChaosOptions(["--seconds", "5", "--seed", "0", "--database", "mysql"])).toEqual({
    seconds: 5,
    seed: 0,
    databases: ["mysql"],
    lane: "workflow",
  });
  expect(parseChaosOptions(["-h"])).toBe("help");
});

test.each([
  [["--seconds", "0"], "--seconds"],
  [["--seconds", "1e3"], "--seconds"],
  [["--seed", "-1"], "--seed"],
  [["--database", "postgres"], "sqlite, mysql or both"],
  [["--lane", "fast"], "workflow or direct"],
  [["--loud"], "--help"],
])("%j is refused", (args, words) => {
  expect(() => parseChaosOptions(args)).toThrow(words);
});
