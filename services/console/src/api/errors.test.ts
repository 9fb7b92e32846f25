import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema } from "@posthaste/contracts/error-details";
import { describe, expect, test } from "vitest";
import { isUnreached, refusedFields, wordsOf } from "./errors.ts";

const info = { desc: ErrorInfoSchema, value: { reason: "DATABASE_UNAVAILABLE", domain: "posthaste" } };

/** What a browser throws for a connection that is refused. */
async function refusedConnection(): Promise<unknown> {
  // Nobody listens on the port of discard.
  return await fetch("http://127.0.0.1:9/").catch((error: unknown) => error);
}

describe("a call did not reach Posthaste", () => {
  test("if its connection was refused", async () => {
    const error = await refusedConnection();
    expect(isUnreached(error)).toBe(true);
    expect(isUnreached(ConnectError.from(error))).toBe(true);
    expect(wordsOf(error)).toBe("The server cannot be reached. Try again when it is back.");
  });

  test("if a proxy answered instead", () => {
    expect(isUnreached(new ConnectError("HTTP 502", Code.Unavailable))).toBe(true);
  });

  test("and did if Posthaste itself says that it is not ready", () => {
    const error = new ConnectError("the database is unavailable", Code.Unavailable, undefined, [info]);
    expect(isUnreached(error)).toBe(false);
    expect(wordsOf(error)).toBe("The database is unavailable.");
  });

  test("and did if it was left by its caller, or refused", () => {
    expect(isUnreached(new DOMException("left", "AbortError"))).toBe(false);
    expect(isUnreached(new ConnectError("no", Code.InvalidArgument))).toBe(false);
  });
});

test("the fields that the API refuses are named with the reason", () => {
  const value = { fieldViolations: [{ field: "target_url", description: "is missing" }] };
  const text = "target_url is missing; invoice_sent is not in the catalogue";
  const error = new ConnectError(text, Code.InvalidArgument, undefined, [{ desc: BadRequestSchema, value }]);
  expect(wordsOf(error)).toBe("Target url is missing; invoice_sent is not in the catalogue.");
  expect(refusedFields(error)).toEqual([{ field: "target_url", why: "is missing" }]);
  expect(refusedFields(new Error("other"))).toEqual([]);
});
