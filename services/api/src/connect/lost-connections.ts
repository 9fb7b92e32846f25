import type { ConnectRouter } from "@connectrpc/connect";
import { wrapHandlers } from "./wrap-handlers.ts";

/**
 * Lets Connect take every connection that is lost while an answer is written for one. It knows a reset one
 * (ECONNRESET). Of any other, such as one whose client had ended its half before (EPIPE), it prints the
 * stack, so a caller could make the API print at will.
 */
export function knowLostConnections(router: ConnectRouter): void {
  wrapHandlers(router, (handler) => async (request) => {
    const answer = await handler(request);
    return answer.body === undefined ? answer : { ...answer, body: knowing(answer.body) };
  });
}

/** Connect passes the error of a write to the body's iterator before it looks at it itself. */
function knowing(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]() {
      const iterator = body[Symbol.asyncIterator]();
      return {
        next: () => iterator.next(),
        async return() {
          return (await iterator.return?.()) ?? { done: true, value: undefined };
        },
        async throw(error: unknown) {
          if (error instanceof Error && "syscall" in error) Object.assign(error, { code: "ECONNRESET" });
          return (await iterator.throw?.(error)) ?? { done: true, value: undefined };
        },
      };
    },
  };
}
