import { setTimeout as sleep } from "node:timers/promises";
import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";

export type RetryOptions = {
  /** Requests made for one call at most, the first included. */
  readonly attemptsMax: number;
  /** A number from 0 up to 1. */
  readonly random?: () => number;
  readonly pause?: (ms: number, signal: AbortSignal) => Promise<void>;
};

/** The longest first pause; it doubles with each retry, and the pause is drawn from 0 to it ("full jitter"). */
const PAUSE_MS = 100;
const PAUSE_MAX_MS = 2_000;

/**
 * Repeats a call while the server is unavailable, if the contract says that it may be repeated (NO_SIDE_EFFECTS or
 * IDEMPOTENT). Nothing else is repeated: what the server refused once it refuses again. The call's deadline covers
 * all of it.
 */
export function retrySafely({ attemptsMax, random = Math.random, pause = wait }: RetryOptions): Interceptor {
  return (next) => async (request) => {
    if (request.stream || request.method.idempotency === Idempotency.IDEMPOTENCY_UNKNOWN)
      return await next(request);
    for (let attempt = 1; ; attempt++) {
      try {
        return await next(request);
      } catch (error) {
        const code = ConnectError.from(error).code;
        if (code !== Code.Unavailable || attempt >= attemptsMax || request.signal.aborted) throw error;
      }
      const bound = Math.min(PAUSE_MS * 2 ** (attempt - 1), PAUSE_MAX_MS);
      await pause(random() * bound, request.signal);
    }
  };
}

async function wait(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {
    // The deadline is over: the next request says so in the protocol's own words.
  });
}
