import { expect, test } from "vitest";
import { hostOrigins, messageAt } from "./host-messages.ts";
import type { Stage } from "./stage.ts";

const ALLOWED = ["https://app.example", "https://other.example"];

test("a message goes to the host's origin if it may frame the page", () => {
  expect(hostOrigins(ALLOWED, "https://app.example")).toEqual(["https://app.example"]);
  expect(hostOrigins(ALLOWED, "https://evil.example")).toEqual([]);
});

test("a message goes to every origin that may frame the page if the browser does not name the host", () => {
  expect(hostOrigins(ALLOWED, undefined)).toEqual(ALLOWED);
});

test("a host hears that a session has ended, and not that its reader signed out", () => {
  const signedOut = { kind: "signed out", isPortal: true } as const;
  expect(messageAt({ ...signedOut, why: "ended" })).toBe("posthaste:session-ended");
  expect(messageAt({ ...signedOut, why: "signed out" })).toBeUndefined();
  expect(messageAt({ kind: "opening" })).toBeUndefined();
  const signedIn = { kind: "signed in", isEnded: false } as Stage & { kind: "signed in" };
  expect(messageAt(signedIn)).toBe("posthaste:ready");
  expect(messageAt({ ...signedIn, isEnded: true })).toBe("posthaste:session-ended");
});
