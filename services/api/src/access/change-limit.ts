import { DAY_MS, Refusal } from "@posthaste/domain";
import type { By, Principal } from "@posthaste/store";
import { RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible";
import { TOKEN_SHARE } from "./places.ts";

const MB = 1_000_000;
const DAY_S = DAY_MS / 1_000;

/**
 * Begins a change, which will be entered in the audit log.
 *
 * @returns counts the bytes that it enters
 * @throws Refusal `too_many`, with the time to wait
 */
export type ChangeLimit = (
  principal: Pick<Principal, "accountId" | "tokenId" | "scopes">,
) => Promise<(bytes: number) => void>;

/**
 * Limits what the changes of each account add to the audit log in a day, which keeps them for more than a
 * year. Bytes are counted, since entries differ a hundredfold in size. How many a change enters is known
 * afterwards, so those in flight when the limit is reached still end: some megabytes.
 *
 * One token may use three quarters. An owner whose script has run wild can thus still change something with
 * another token, such as the console's.
 *
 * Tokens with the scope `admin` are not limited: each page of a customer may have a portal link made, and who
 * may erase accounts need not fill the log to do harm.
 */
export function createChangeLimit(mbPerDay: number): ChangeLimit {
  const limitOf = (holder: "account" | "token", mb: number) => {
    const limiter = new RateLimiterMemory({ points: mb * MB, duration: DAY_S });
    const require = async (id: number) => {
      try {
        await limiter.consume(id, 0);
      } catch (rejected) {
        if (!(rejected instanceof RateLimiterRes)) throw rejected;
        throw usedUp(holder, mb, rejected.msBeforeNext);
      }
    };
    return { require, count: (id: number, bytes: number) => void limiter.penalty(id, bytes) };
  };
  const ofAccount = limitOf("account", mbPerDay);
  const ofToken = limitOf("token", mbPerDay * TOKEN_SHARE);
  return async ({ accountId, tokenId, scopes }) => {
    if (scopes.includes("admin")) return () => {};
    await ofAccount.require(accountId);
    await ofToken.require(tokenId);
    return (bytes) => {
      ofAccount.count(accountId, bytes);
      ofToken.count(tokenId, bytes);
    };
  };
}

/**
 * Returns a token as the one who makes the changes of a call, for the audit log.
 *
 * @throws Refusal `too_many` if its account has filled its part of the log
 */
export async function byToken(begin: ChangeLimit, token: Principal, action: string): Promise<By> {
  const { tokenId, accountId, name, hint } = token;
  return { actor: { tokenId, accountId, name, hint }, action, noteEntered: await begin(token) };
}

function usedUp(holder: "account" | "token", mb: number, retryAfterMs: number): Refusal {
  return new Refusal(
    "too_many",
    `the changes of this ${holder} have filled ${mb} MB of the audit log within a day, its maximum; wait, change less often, or ask the operator for a higher limit`,
    { reason: "CHANGES_FULL", metadata: { holder, limit: String(mb) }, retryAfterMs },
  );
}
