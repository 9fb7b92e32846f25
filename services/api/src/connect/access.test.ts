import { expect, test } from "vitest";
import { rowsOf, SERVICES } from "./access.ts";

test("every RPC says how many rows it may read", () => {
  const methods = SERVICES.flatMap((service) => service.methods);
  expect(methods.filter((method) => rowsOf(method) === undefined)).toEqual([]);
});
