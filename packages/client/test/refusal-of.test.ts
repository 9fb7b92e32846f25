import { readdirSync, readFileSync } from "node:fs";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "@posthaste/contracts/error-details";
import { expect, test } from "vitest";
import * as client from "../src/index.ts";
import { Code, ConnectError, ErrorReason, refusalOf } from "../src/index.ts";

const infoOf = (reason: string, domain = "posthaste") => ({
  desc: ErrorInfoSchema,
  value: { reason, domain, metadata: { limit: "100" } },
});

test("a refusal is read with its reason, its fields and the time to wait", () => {
  const error = new ConnectError("wait", Code.ResourceExhausted, undefined, [
    infoOf("RATE_LIMITED"),
    { desc: BadRequestSchema, value: { fieldViolations: [{ field: "a[1].b", description: "is missing" }] } },
    { desc: RetryInfoSchema, value: { retryDelay: { seconds: 1n, nanos: 500_000_000 } } },
  ]);
  expect(refusalOf(error)).toEqual({
    reason: ErrorReason.RATE_LIMITED,
    metadata: { limit: "100" },
    fields: [{ field: "a[1].b", message: "is missing" }],
    retryAfterMs: 1_500,
  });
});

test("a refusal without fields and without a wait has neither", () => {
  const error = new ConnectError("no", Code.NotFound, undefined, [infoOf("NOT_FOUND")]);
  expect(refusalOf(error)).toMatchObject({ fields: [], retryAfterMs: undefined });
});

test.each(["FROM_THE_FUTURE", "1", "toString"])("the reason %s is not known to this client", (reason) => {
  const error = new ConnectError("no", Code.Internal, undefined, [infoOf(reason)]);
  expect(refusalOf(error)).toMatchObject({ reason: ErrorReason.UNSPECIFIED });
});

test.each<[string, unknown]>([
  ["a broken connection", new ConnectError("read ECONNRESET", Code.Aborted)],
  ["a proxy's error", new ConnectError("no", Code.Unavailable, undefined, [infoOf("BUSY", "proxy.example")])],
  ["another error", new Error("no")],
  ["nothing", undefined],
])("%s is no refusal of Posthaste", (_title, error) => {
  expect(refusalOf(error)).toBeUndefined();
});

test("the client exports every enum of the contracts", () => {
  const contracts = new URL("../../contracts/src/gen/posthaste/v1/", import.meta.url);
  const enums = readdirSync(contracts).flatMap((name) =>
    [...readFileSync(new URL(name, contracts), "utf8").matchAll(/^export enum (\w+)/gm)].map(
      ([, found]) => found ?? "",
    ),
  );
  expect(enums.length).toBeGreaterThan(5);
  expect(Object.keys(client)).toEqual(expect.arrayContaining(enums));
});
