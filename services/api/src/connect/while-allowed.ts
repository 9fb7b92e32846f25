import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { Refusal } from "@posthaste/domain";
import { ACCOUNT_HEADER, callerFor } from "../access/caller.ts";
import type { Deps } from "../deps.ts";
import { accessTo } from "./access.ts";

/** How often the token of an open stream is looked up again. */
const LOOK_EVERY_MS = 1_000;

/**
 * Ends a stream when its token is revoked or expires, or the account in which it acts is erased, and tells a
 * caller whose deadline has passed that it has. A handler ends its stream without an error as soon as its
 * signal aborts, which would say that everything was sent.
 */
export function whileAllowed({ store, authenticate }: Pick<Deps, "store" | "authenticate">): Interceptor {
  return (next) => async (request) => {
    if (!request.stream) return await next(request);
    const ended = new AbortController();
    const signal = AbortSignal.any([request.signal, ended.signal]);
    const response = await next({ ...request, signal });
    if (!response.stream) return response;
    const look =
      accessTo(request.method) === "public"
        ? undefined
        : async () => {
            const token = await authenticate(request.header.get("authorization"));
            return await callerFor(store, token, request.header.get(ACCOUNT_HEADER));
          };
    return { ...response, message: passOn(response.message, { deadline: request.signal, ended, look }) };
  };
}

type Watched = {
  /** Aborts when the call's deadline has passed, among others. */
  readonly deadline: AbortSignal;
  readonly ended: AbortController;
  /** Looks the token up again; undefined: the call needs none. */
  readonly look: (() => Promise<unknown>) | undefined;
};

async function* passOn<T>(stream: AsyncIterable<T>, { deadline, ended, look }: Watched) {
  const looking = look === undefined ? undefined : lookEvery(look, ended);
  try {
    for await (const message of stream) {
      ended.signal.throwIfAborted();
      yield message;
    }
    ended.signal.throwIfAborted();
    const { reason } = deadline;
    if (reason instanceof ConnectError && reason.code === Code.DeadlineExceeded) throw reason;
  } finally {
    clearInterval(looking);
  }
}

/** Looks the token up again and again, but not while a look-up is under way. */
function lookEvery(look: () => Promise<unknown>, ended: AbortController): NodeJS.Timeout {
  let isLooking = false;
  return setInterval(async () => {
    if (isLooking) return;
    isLooking = true;
    await lookAgain(look, ended);
    isLooking = false;
  }, LOOK_EVERY_MS);
}

/** A look-up that fails for another reason, such as an unavailable database, ends nothing. */
async function lookAgain(look: () => Promise<unknown>, ended: AbortController): Promise<void> {
  try {
    await look();
  } catch (error) {
    if (error instanceof Refusal) ended.abort(error);
  }
}
