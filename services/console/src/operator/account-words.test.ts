import { expect, test } from "vitest";
import { countUpTo } from "./account-words.ts";

test("a count that has stopped says that there may be more", () => {
  expect(countUpTo(0)).toBe("0");
  expect(countUpTo(999)).toBe("999");
  expect(countUpTo(1_000)).toBe("1,000+");
});
