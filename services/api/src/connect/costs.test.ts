import { expect, test } from "vitest";
import { SERVICES } from "./access.ts";
import { rowsOf } from "./costs.ts";

test("every RPC says how many rows it may read", () => {
  const methods = SERVICES.flatMap((service) => service.methods);
  expect(methods.filter((method) => rowsOf(method) === undefined)).toEqual([]);
});
