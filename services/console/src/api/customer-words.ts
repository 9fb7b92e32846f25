import { ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "@posthaste/contracts/error-details";
import { wordsOf } from "./errors.ts";

const BUSY = "Too many requests at once. Wait a moment, and try again.";
const ENDED = "Your session has ended.";

/** What errors say to a customer of whom the API speaks in words that only an integrator knows. */
const WORDS: Readonly<Record<string, string>> = {
  SCOPE_MISSING: "You have no access to this.",
  PAGE_TOKEN_INVALID: "This part of the list is no longer there. Start again at its beginning.",
  INBOXES_DISABLED: "Inboxes are turned off.",
  RATE_LIMITED: BUSY,
  CHANGES_FULL: "Too many changes within a day. Try again later.",
  REQUESTS_FULL: BUSY,
  STREAMS_FULL: BUSY,
  TOKEN_INVALID: ENDED,
  TOKEN_MISSING: ENDED,
};
/** What no customer should have to know. */
const INTERNAL = /token|posthaste/i;

/** Returns what an error says to an operator's customer, as a sentence. */
export function customerWordsOf(error: unknown): string {
  const [info] = ConnectError.from(error).findDetails(ErrorInfoSchema);
  const words = WORDS[info?.reason ?? ""] ?? wordsOf(error);
  return INTERNAL.test(words) ? "This did not work. Ask for help where you opened this page." : words;
}
