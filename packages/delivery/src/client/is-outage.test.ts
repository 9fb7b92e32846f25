import { ServiceError } from "@temporalio/client";
import { expect, test } from "vitest";
import { GRPC } from "./grpc-code.ts";
import { isOutage } from "./is-outage.ts";
import { NoNamespace } from "./no-namespace.ts";

const grpcError = (code: number) =>
  Object.assign(new Error("refused"), { code, details: "refused", metadata: {} });

test("a server that cannot be reached or refuses the caller may refuse every call", () => {
  for (const code of [GRPC.UNAVAILABLE, GRPC.DEADLINE_EXCEEDED, GRPC.CANCELLED, GRPC.UNAUTHENTICATED]) {
    expect(isOutage(new ServiceError("Failed to start Workflow", { cause: grpcError(code) }))).toBe(true);
  }
  expect(isOutage(new NoNamespace("Temporal has no namespace"))).toBe(true);
});

test("a refused argument, and an error of our own, concern one call", () => {
  expect(isOutage(new ServiceError("Failed", { cause: grpcError(GRPC.INVALID_ARGUMENT) }))).toBe(false);
  expect(isOutage(new TypeError("Invalid URL"))).toBe(false);
});
