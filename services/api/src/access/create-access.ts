import type { Store } from "@posthaste/store";
import { BUSY_RETRY_AFTER_MS, type Limits } from "../http/limits.ts";
import type { AdmitParts } from "./admit.ts";
import { createAuthenticate } from "./auth.ts";
import { type BodyRoom, createBodyRoom, createPlaces } from "./places.ts";
import { createRateLimit } from "./rate-limit.ts";

/** Creates what decides who may call, how often, and how much at once. */
export function createAccess(
  store: Store,
  now: () => number,
  limits: Limits,
): AdmitParts & { readonly bodyRoom: BodyRoom } {
  return {
    authenticate: createAuthenticate(store, now),
    rateLimit: createRateLimit(limits.ratePerSecond),
    requestPlaces: createPlaces({
      what: "requests in flight",
      ofAll: limits.requestsMax,
      ofAccount: limits.accountRequestsMax,
      retryAfterMs: BUSY_RETRY_AFTER_MS,
    }),
    bodyRoom: createBodyRoom(limits.bodiesBytesMax, BUSY_RETRY_AFTER_MS),
  };
}
