import { MINUTE_MS, Refusal } from "@posthaste/domain";

/** A stream sends something at least this often, so that both sides notice a dead connection. */
export const STREAM_HEARTBEAT_MS = 15_000;
/** A stream ends after this. The client then reconnects, and its token is checked again. */
export const STREAM_MAX_MS = 10 * MINUTE_MS;
/** `Retry-After` if too many streams are open. */
const RETRY_AFTER_MS = 30_000;

/** Passes a stream on while it holds one of the places. */
export type StreamGate = <T>(stream: AsyncGenerator<T>) => AsyncGenerator<T>;

/**
 * Bounds the open streams of one kind in this process.
 *
 * @param max maximum open streams; another one is refused with `too_many`
 */
export function createStreamGate(max: number): StreamGate {
  let open = 0;
  return async function* pass(stream) {
    if (open >= max) {
      throw new Refusal("too_many", `${open} streams are open, the maximum; try again later`, {
        retryAfterMs: RETRY_AFTER_MS,
      });
    }
    open += 1;
    try {
      yield* stream;
    } finally {
      open -= 1;
    }
  };
}
