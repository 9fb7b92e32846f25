import { errors } from "undici";
import { expect, test } from "vitest";
import { classifyError } from "./classify-error.ts";

const failed = (code: string) => Object.assign(new Error(code), { code });
/** Node's error if no connection to any of several addresses succeeds. */
const allFailed = (...codes: readonly string[]) =>
  Object.assign(new AggregateError(codes.map(failed)), { code: codes[0] });

test.each([
  [["ECONNREFUSED", "ETIMEDOUT"], { outcome: "refused", detail: "ECONNREFUSED" }],
  [["ETIMEDOUT", "ECONNREFUSED"], { outcome: "timeout", detail: "ETIMEDOUT" }],
] as const)("the failure of the first of several addresses counts: %j", (codes, classified) => {
  const cause = allFailed(...codes);
  expect(classifyError(cause)).toEqual(classified);
  // undici wraps the errors if any connection timed out.
  const wrapped = Object.assign(new errors.ConnectTimeoutError("attempted several"), { cause });
  expect(classifyError(wrapped)).toEqual(classified);
});

test.each([
  ["2606:4700::1", { outcome: "unreachable", detail: "EADDRNOTAVAIL" }],
  ["192.0.2.1", "fault"],
])("a machine without an address for %s", (address, classified) => {
  const error = Object.assign(failed("EADDRNOTAVAIL"), { address });
  expect(classifyError(error)).toEqual(classified);
  const several = Object.assign(new AggregateError([error, failed("ECONNREFUSED")]), { code: error.code });
  expect(classifyError(several)).toEqual(classified);
});

test("the HTTP client's connect timeout is a timeout", () => {
  expect(classifyError(new errors.ConnectTimeoutError())).toEqual({
    outcome: "timeout",
    detail: "UND_ERR_CONNECT_TIMEOUT",
  });
});
