import { ErrorReason } from "@posthaste/contracts/error";
import { REFUSAL_REASONS } from "@posthaste/domain";
import { expect, test } from "vitest";
import { OTHER_REASONS } from "./refusal-table.ts";

test("the reasons of refusals and of other errors are those of the contracts", () => {
  const known = new Set([...Object.values(REFUSAL_REASONS).flat(), ...Object.keys(OTHER_REASONS)]);
  const names = Object.keys(ErrorReason).filter((name) => !/^\d+$/.test(name) && name !== "UNSPECIFIED");
  expect([...known].sort()).toEqual(names.sort());
  // The rule of `google.rpc.ErrorInfo`.
  for (const name of names) expect(name).toMatch(/^[A-Z][A-Z0-9_]{1,61}[A-Z0-9]$/);
});
