import { expect, test } from "vitest";
import { unknownEventTypeMessage } from "./event-type.ts";
import { namesByLength } from "./nearest-names.ts";
import { describeOutcome, OUTCOMES, outcomeOfStatus, terminalStateAfter } from "./outcome.ts";
import { decodePageToken, encodePageToken } from "./page-token.ts";
import { SCHEDULE } from "./schedule.ts";

test.each([
  [200, "accepted", "accepted"],
  [201, "status", "accepted"],
  [204, "status", "accepted"],
  [301, "redirect", "redirect"],
  [304, "redirect", "redirect"],
  [400, "status", "status"],
  [410, "gone", "gone"],
  [500, "status", "status"],
  [999, "status", "status"],
])("status %i is %s if only 200 counts, and %s if any 2xx counts", (status, okOnly, any2xx) => {
  expect(outcomeOfStatus(status, "OK_ONLY")).toBe(okOnly);
  expect(outcomeOfStatus(status, "ANY_2XX")).toBe(any2xx);
});

test("a failure leads to another attempt, until the last one exhausts the delivery", () => {
  for (const outcome of ["status", "timeout", "refused", "reset", "dns", "tls", "redirect"] as const) {
    expect(terminalStateAfter(1, outcome)).toBeUndefined();
    expect(terminalStateAfter(SCHEDULE.maximumAttempts - 1, outcome)).toBeUndefined();
    expect(terminalStateAfter(SCHEDULE.maximumAttempts, outcome)).toBe("exhausted");
  }
});

test("acceptance, 410 and a blocked address end a delivery on any attempt", () => {
  for (const number of [1, SCHEDULE.maximumAttempts]) {
    expect(terminalStateAfter(number, "accepted")).toBe("succeeded");
    expect(terminalStateAfter(number, "gone")).toBe("cancelled");
    expect(terminalStateAfter(number, "blocked")).toBe("blocked");
  }
});

test("each outcome has its own description", () => {
  expect(new Set(OUTCOMES.map((outcome) => describeOutcome(outcome, 404))).size).toBe(OUTCOMES.length);
});

test("a page token decodes to its sort key, and any other text is refused", () => {
  expect(decodePageToken(encodePageToken("dlv_01"), "string")).toBe("dlv_01");
  expect(decodePageToken(encodePageToken(42), "number")).toBe(42);
  for (const garbage of ["", "x", "!!", encodePageToken(1.5), encodePageToken("42"), "bnVsbA", "é"]) {
    expect(() => decodePageToken(garbage, "number")).toThrow(expect.objectContaining({ code: "invalid" }));
  }
});

test("the message for an unknown event type suggests similar codes, and none that is not similar", () => {
  const known = namesByLength(["contact_created", "contact_updated", "invoice_sent"]);
  expect(unknownEventTypeMessage("contact_create", known)).toContain("did you mean contact_created");
  expect(unknownEventTypeMessage("invoice_snet", known)).toContain("did you mean invoice_sent?");
  expect(unknownEventTypeMessage("x".repeat(10_000), known).length).toBeLessThan(300);
  for (const far of ["nope", "sent", "x".repeat(12)]) {
    expect(unknownEventTypeMessage(far, known)).toBe(`"${far}" is not an event type in the catalogue`);
  }
  expect(unknownEventTypeMessage("x")).toBe('"x" is not an event type in the catalogue');
});

test("a test event gets one attempt, and a 410 to it cancels nothing", () => {
  for (const outcome of ["status", "timeout", "gone"] as const) {
    expect(terminalStateAfter(1, outcome, true)).toBe("exhausted");
  }
  expect(terminalStateAfter(1, "accepted", true)).toBe("succeeded");
  expect(terminalStateAfter(1, "blocked", true)).toBe("blocked");
});
