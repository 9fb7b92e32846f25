import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema } from "@posthaste/contracts/error-details";
import { describe, expect, test } from "vitest";
import { problemsIn, problemsOf } from "./draft-problems.ts";
import { NEW_DRAFT } from "./subscription-draft.ts";

const GOOD = { ...NEW_DRAFT, targetUrl: "https://receiver.example/", eventTypes: ["*"] };

function refused(...fieldViolations: { field: string; description: string }[]): ConnectError {
  return new ConnectError("no", Code.InvalidArgument, undefined, [
    { desc: BadRequestSchema, value: { fieldViolations } },
  ]);
}

describe("a draft", () => {
  test("that the API accepts has no problems, with or without limits", () => {
    expect(problemsOf(GOOD)).toEqual({});
    expect(problemsOf({ ...GOOD, timeoutS: "1.5", ratePerSecond: "0.5", concurrency: "8" })).toEqual({});
    expect(problemsOf({ ...GOOD, ratePerSecond: "0", concurrency: " " })).toEqual({});
  });

  test("has all its problems named at once, each with its field", () => {
    const draft = { ...NEW_DRAFT, timeoutS: "", ratePerSecond: "0.001", concurrency: "1.5" };
    expect(problemsOf(draft)).toEqual({
      targetUrl: "Enter a URL that starts with https:// or http://.",
      eventTypes: "Choose at least one event type.",
      timeoutS: "Enter 1 to 30 seconds.",
      ratePerSecond: "Enter 0.01 to 1,000, or nothing.",
      concurrency: "Enter a whole number from 1 to 1,000, or nothing.",
    });
  });
});

describe("what the API refuses", () => {
  test("is named as the form names it", () => {
    const error = refused(
      { field: "target_url", description: "target_url contains credentials; send them as secret" },
      { field: "event_types[1]", description: "event_types[1] is not in the catalogue" },
      { field: "timeout", description: "must be at most 30s" },
      { field: "rate_limit.per_second", description: "rate_limit.per_second must be at least 0.01" },
    );
    expect(problemsIn(error)).toEqual({
      fields: {
        targetUrl: "Target URL contains credentials; send them as Receiver credential.",
        eventTypes: "Event types is not in the catalogue.",
        timeoutS: "Attempt timeout must be at most 30s.",
        ratePerSecond: "Attempts per second must be at least 0.01.",
      },
      others: [],
    });
  });

  test("of a field that the form does not have is kept for the form's head", () => {
    const error = refused({ field: "labels", description: "labels holds more than 20" });
    expect(problemsIn(error)).toEqual({ fields: {}, others: ["labels holds more than 20."] });
  });
});
