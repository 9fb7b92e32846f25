import { expect, test } from "vitest";
import { parseAttackOptions } from "./options.ts";
import { ATTACK_KINDS } from "./plan.ts";

test("without options, all attacks last a minute on SQLite, with a random seed", () => {
  expect(parseAttackOptions([])).toEqual({
    seconds: 60,
    seed: expect.any(Number),
    database: "sqlite",
    kinds: ATTACK_KINDS,
  });
});

test("every option is read", () => {
  const args = ["--seconds", "5", "--seed", "7", "--database", "mysql", "--only", "bombs"];
  expect(parseAttackOptions(args)).toEqual({ seconds: 5, seed: 7, database: "mysql", kinds: ["bombs"] });
  expect(parseAttackOptions(["--help"])).toBe("help");
});

test.each([
  [["--seconds", "0"], /--seconds/],
  [["--seconds", "3601"], /--seconds/],
  [["--seed", "-1"], /--seed/],
  [["--database", "oracle"], '--database is "oracle": choose sqlite or mysql'],
  [["--only", "rain"], '--only is "rain": choose one of resets, half-open, slow-bodies'],
  [["--fast"], /fast/],
])("%j is refused with what to write", (args, message) => {
  expect(() => parseAttackOptions(args)).toThrow(message);
});
