import { errors } from "undici";
import { expect, test } from "vitest";
import { classifyError } from "./classify-error.ts";

const failed = (code: string) => Object.assign(new Error(code), { code });
/** As Node reports that none of several addresses could be connected to. */
const allFailed = (...codes: readonly string[]) =>
  Object.assign(new AggregateError(codes.map(failed)), { code: codes[0] });

test.each([
  [["ECONNREFUSED", "ETIMEDOUT"], { outcome: "refused", detail: "ECONNREFUSED" }],
  [["ETIMEDOUT", "ECONNREFUSED"], { outcome: "timeout", detail: "ETIMEDOUT" }],
] as const)("of several addresses the first one's failure counts: %j", (codes, classified) => {
  const cause = allFailed(...codes);
  expect(classifyError(cause)).toEqual(classified);
  // As undici passes it on where any of them timed out.
  const wrapped = Object.assign(new errors.ConnectTimeoutError("attempted several"), { cause });
  expect(classifyError(wrapped)).toEqual(classified);
});

test("a connect timeout of the client's own is a timeout", () => {
  expect(classifyError(new errors.ConnectTimeoutError())).toEqual({
    outcome: "timeout",
    detail: "UND_ERR_CONNECT_TIMEOUT",
  });
});
