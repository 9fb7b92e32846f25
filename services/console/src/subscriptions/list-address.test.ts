import { expect, test } from "vitest";
import { listAddress, readListAddress } from "./list-address.ts";

test("the list's address holds which subscriptions and which page it shows", () => {
  const failing = { which: "failing", after: "a+b/c==" } as const;
  expect(readListAddress(listAddress(failing).split("?")[1] ?? "")).toEqual(failing);
  expect(readListAddress("which=ended")).toEqual({ which: "ended", after: "" });
  expect(listAddress({ which: "all", after: "" })).toBe("/subscriptions");
  expect(readListAddress("which=any")).toEqual({ which: "all", after: "" });
});
