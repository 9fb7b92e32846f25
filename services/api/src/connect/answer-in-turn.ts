import type { Interceptor } from "@connectrpc/connect";
import { SMALL_BYTES_MAX, type Turn } from "../access/loop-turns.ts";
import { isRead } from "./access.ts";
import { HOLD, TURN } from "./call-values.ts";
import { encodedSize } from "./encoded-size.ts";

/**
 * Lets answers of reads wait for a turn of the event loop unless they are small. Connect encodes an answer
 * without waiting for anything once it has it, so that is charged to the account.
 *
 * Until its caller has it, an answer counts among the bytes that its account holds: whatever waits for a
 * turn, or to be compressed, is in memory. A stream has one message at a time.
 *
 * The answers of other methods are small. None may be refused once its call has changed something, which a
 * turn that does not come would do.
 */
export function answerInTurn(): Interceptor {
  return (next) => async (request) => {
    const response = await next(request);
    const turn = request.contextValues.get(TURN);
    // Without an account, nobody can be charged.
    if (turn === undefined || !isRead(request.method)) return response;
    if (response.stream) return { ...response, message: eachInTurn(response.message, turn) };
    const bytes = encodedSize(response.message);
    request.contextValues.get(HOLD)?.(bytes);
    await turn(bytes);
    return response;
  };
}

async function* eachInTurn<T>(stream: AsyncIterable<T>, turn: Turn): AsyncGenerator<T> {
  for await (const message of stream) {
    await turn(encodedSize(message, SMALL_BYTES_MAX));
    yield message;
  }
}
