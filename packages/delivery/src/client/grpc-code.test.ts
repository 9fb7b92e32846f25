import { ServiceError } from "@temporalio/client";
import { expect, test } from "vitest";
import { grpcCodeOf } from "./grpc-code.ts";

const grpcError = (code: number) =>
  Object.assign(new Error("refused"), { code, details: "refused", metadata: {} });

test("a code is found on the error itself and on what caused it", () => {
  expect(grpcCodeOf(grpcError(3))).toBe(3);
  expect(grpcCodeOf(new ServiceError("Failed to start Workflow", { cause: grpcError(14) }))).toBe(14);
  expect(grpcCodeOf(new Error("outer", { cause: new Error("inner", { cause: grpcError(7) }) }))).toBe(7);
});

test("what is no answer of a server has no code, and a chain of causes that leads back to itself ends", () => {
  const circular = new Error("circular");
  circular.cause = circular;
  const system = Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
  for (const error of [undefined, null, "text", { code: 3 }, system, circular]) {
    expect(grpcCodeOf(error)).toBeUndefined();
  }
});
