import { expect, test } from "vitest";
import { countCases } from "./connect.ts";

test("the cases that passed are counted, and those that are known to fail are not", () => {
  const output =
    "Total cases: 602\n598 passed, 0 failed\n(4 failed as expected due to being known failures.)\n";
  expect(countCases(output)).toEqual({ passed: 598, failed: 0 });
});

test("each failed case is named", () => {
  const name = "Basic/HTTPVersion:2/Protocol:PROTOCOL_GRPC/Codec:CODEC_JSON/TLS:false/unary/success";
  const output = `FAILED: ${name}:\n\texpecting an error but received none\n\nTotal cases: 2\n1 passed, 1 failed\n`;
  expect(countCases(output)).toEqual({
    passed: 1,
    failed: 1,
    details: output,
    failures: [`failed: ${name}`],
  });
});

test("a run without counts fails with its output", () => {
  expect(countCases("panic: no server")).toEqual({ passed: 0, failed: 1, details: "panic: no server" });
});
