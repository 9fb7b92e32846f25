import type { ConnectRouter } from "@connectrpc/connect";
import { OVER, REFUSED } from "./call-values.ts";
import { wrapHandlers } from "./wrap-handlers.ts";

/**
 * Answers a call whose deadline passes while its answer waits to be compressed. Connect compresses an answer
 * when it no longer looks at errors, so the call is made once more, and refused before its message is read.
 */
export function answerWhenLate(router: ConnectRouter): void {
  wrapHandlers(router, (handler) => async (request) => {
    try {
      return await handler(request);
    } catch (error) {
      const { contextValues } = request;
      const over = contextValues?.get(OVER);
      if (over?.aborted !== true) throw error;
      contextValues?.set(REFUSED, { error: over.reason });
      return await handler(request);
    }
  });
}
