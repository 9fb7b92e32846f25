import { type AccountId, withoutQuery } from "@posthaste/domain";
import type { PostResult } from "@posthaste/egress";
import { createComputingTurns } from "./in-computing-turns.ts";
import { redact } from "./redact.ts";
import type { HoldsSecrets } from "./secrets-of.ts";

/**
 * Up to how many characters, of an answer and of what may be secret together, are searched without a wait. At
 * their worst, these take a few tenths of a millisecond, less than all else about an attempt.
 */
const SMALL_CHARS_MAX = 1_024;

/** The part of a response that is redacted. */
type Response = Pick<PostResult, "responseHeaders" | "responseBody" | "responseTruncated">;

const inTurn = createComputingTurns();

/**
 * Redacts a response. The receiver and the subscriber choose how much there is to search, and for what: each
 * can make it take milliseconds, during which no other attempt moves. So accounts take turns in it.
 */
export async function redactInTurn<R extends Response>(
  accountId: AccountId,
  result: R,
  subscription: HoldsSecrets,
): Promise<R> {
  const secretChars = charsOfSecrets(subscription);
  const isSmall = secretChars === 0 || secretChars + charsOf(result) <= SMALL_CHARS_MAX;
  if (isSmall) return redact(result, subscription);
  return await inTurn(accountId, () => redact(result, subscription));
}

function charsOf({ responseHeaders, responseBody }: Response): number {
  return responseHeaders.reduce((sum, [, value]) => sum + value.length, responseBody.length);
}

function charsOfSecrets({ credential, headers, targetUrl }: HoldsSecrets): number {
  const query = targetUrl.length - withoutQuery(targetUrl).length;
  const values = Object.values(headers);
  return values.reduce((sum, { length }) => sum + length, (credential?.length ?? 0) + query);
}
