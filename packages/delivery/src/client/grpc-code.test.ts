import { ServiceError } from "@temporalio/client";
import { expect, test } from "vitest";
import { grpcCodeOf } from "./grpc-code.ts";

const grpcError = (code: number) =>
  Object.assign(new Error("refused"), { code, details: "refused", metadata: {} });

test("the code is found on the error itself and on its causes", () => {
  expect(grpcCodeOf(grpcError(3))).toBe(3);
  expect(grpcCodeOf(new ServiceError("Failed to start Workflow", { cause: grpcError(14) }))).toBe(14);
  expect(grpcCodeOf(new Error("outer", { cause: new Error("inner", { cause: grpcError(7) }) }))).toBe(7);
});

test("an error that does not come from a server has no code, nor has a circular chain of causes", () => {
  const circular = new Error("circular");
  circular.cause = circular;
  const system = Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
  for (const error of [undefined, null, "text", { code: 3 }, system, circular]) {
    expect(grpcCodeOf(error)).toBeUndefined();
  }
});
