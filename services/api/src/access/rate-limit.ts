import { Refusal } from "@posthaste/domain";
import type { Principal } from "@posthaste/store";
import { RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible";
import { RATE_WINDOW_S } from "../http/limits.ts";

/** Counts one request of a token. @throws Refusal `too_many`, with the time to wait */
export type RateLimit = (principal: Principal) => Promise<void>;

/** Limits each token to `perSecond` requests, averaged over a window. Forgets a token with its window. */
export function createRateLimit(perSecond: number): RateLimit {
  const points = perSecond * RATE_WINDOW_S;
  const limiter = new RateLimiterMemory({ points, duration: RATE_WINDOW_S });
  return async ({ tokenId }) => {
    try {
      await limiter.consume(tokenId);
    } catch (rejected) {
      if (!(rejected instanceof RateLimiterRes)) throw rejected;
      throw new Refusal(
        "too_many",
        `this token sent over ${points} requests within ${RATE_WINDOW_S} s, ${perSecond} a second; wait, send events in batches, or ask the operator for a higher limit`,
        {
          reason: "RATE_LIMITED",
          metadata: { limit: String(perSecond) },
          retryAfterMs: rejected.msBeforeNext,
        },
      );
    }
  };
}
