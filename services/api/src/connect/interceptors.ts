import {
  Code,
  ConnectError,
  type ContextValues,
  createContextKey,
  createContextValues,
  type HandlerContext,
  type Interceptor,
} from "@connectrpc/connect";
import { Refusal } from "@posthaste/domain";
import { isStoreAway, type Principal } from "@posthaste/store";
import { principalOf, requireScope } from "../auth.ts";
import type { Deps } from "../deps.ts";
import { REFUSALS, retryAfterSeconds } from "../refusal-table.ts";
import type { RequestLine } from "../request-line.ts";
import { accessTo } from "./access.ts";

const PRINCIPAL = createContextKey<Principal | undefined>(undefined);
const LINE = createContextKey<RequestLine | undefined>(undefined);

/** What a call starts with: the line that is logged when it is over. */
export function contextOf(line: RequestLine): ContextValues {
  return createContextValues().set(LINE, line);
}

/** Who makes this call. Every method that is not public has been checked before its handler runs. */
export function callerOf(context: HandlerContext): Principal {
  const principal = context.values.get(PRINCIPAL);
  if (principal === undefined) throw new Error("a public method asked for its caller");
  return principal;
}

/** Lets a call through if its token may make it. */
export function authorize(deps: Deps): Interceptor {
  return (next) => async (request) => {
    const access = accessTo(request.method);
    if (access !== "public") {
      const principal = await principalOf(deps.store, request.header.get("authorization"), deps.now());
      const line = request.contextValues.get(LINE);
      if (line !== undefined) line.accountId = principal.accountId;
      await deps.rateLimit(principal);
      if (access !== "any") requireScope(principal, access);
      request.contextValues.set(PRINCIPAL, principal);
    }
    return await next(request);
  };
}

/** Turns what was thrown into what a caller may see, and notes the answer's code for the log. */
export function answer(deps: Deps): Interceptor {
  return (next) => async (request) => {
    const line = request.contextValues.get(LINE);
    const note = (code: string) => {
      if (line !== undefined) line.code = code;
    };
    const refusing = (error: unknown) => {
      const answered = answerFor(deps, error, line?.id);
      note(Code[answered.code]);
      return answered;
    };
    try {
      const response = await next(request);
      note("ok");
      // What a stream throws comes only when it is read.
      return response.stream ? { ...response, message: translated(response.message, refusing) } : response;
    } catch (error) {
      throw refusing(error);
    }
  };
}

async function* translated<T>(stream: AsyncIterable<T>, refusing: (error: unknown) => ConnectError) {
  try {
    yield* stream;
  } catch (error) {
    throw refusing(error);
  }
}

function answerFor(deps: Deps, error: unknown, requestId: string | undefined): ConnectError {
  if (error instanceof ConnectError) return error;
  if (error instanceof Refusal) {
    const refused = new ConnectError(error.message, REFUSALS[error.code].connect);
    if (error.retryAfterMs !== undefined)
      refused.metadata.set("retry-after", retryAfterSeconds(error.retryAfterMs));
    if (error.code === "unauthenticated") refused.metadata.set("www-authenticate", "Bearer");
    return refused;
  }
  deps.log.error("request.faulted", error, { requestId });
  return isStoreAway(deps.store, error)
    ? new ConnectError("the database is away; try again in a moment", Code.Unavailable)
    : new ConnectError("internal error", Code.Internal);
}
