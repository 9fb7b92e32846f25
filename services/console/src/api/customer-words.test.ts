import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "@posthaste/contracts/error-details";
import { expect, test } from "vitest";
import { customerWordsOf } from "./customer-words.ts";

const refusal = (reason: string, message: string) =>
  new ConnectError(message, Code.Unknown, undefined, [
    { desc: ErrorInfoSchema, value: { reason, domain: "posthaste" } },
  ]);

test("a customer reads what they cannot do, and nothing of scopes and tokens", () => {
  const missing = refusal("SCOPE_MISSING", "this token lacks the scope deliveries:read; use one that has it");
  expect(customerWordsOf(missing)).toBe("You have no access to this.");
  const full = refusal("CHANGES_FULL", "the changes of this token have stored 75 MB within a day");
  expect(customerWordsOf(full)).toBe("Too many changes within a day. Try again later.");
  const busy = refusal("RATE_LIMITED", "this token sent over 100 requests within 10 s");
  expect(customerWordsOf(busy)).toBe("Too many requests at once. Wait a moment, and try again.");
});

test("a customer reads what the API says if it says it in their words", () => {
  const ended = refusal("SUBSCRIPTION_ENDED", "the subscription has ended");
  expect(customerWordsOf(ended)).toBe("The subscription has ended.");
});

test("a customer reads no word of the API's own that nobody has thought of", () => {
  const words = customerWordsOf(refusal("NEW", "Posthaste refuses this token"));
  expect(words).toBe("This did not work. Ask for help where you opened this page.");
});
