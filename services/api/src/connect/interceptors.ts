import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { Refusal } from "@posthaste/domain";
import type { Deps } from "../deps.ts";
import { whyUnavailable } from "../http/problem.ts";
import type { RequestLine } from "../http/request-line.ts";
import { accessTo } from "./access.ts";
import { callerIn, LINE, REFUSED } from "./call-values.ts";
import { refusalFor } from "./refusal-for.ts";

/** Throws the error of a call that `authorize-first.ts` refused. */
export function refuse(): Interceptor {
  return (next) => async (request) => {
    const refused = request.contextValues.get(REFUSED);
    if (refused !== undefined) throw refused.error;
    if (accessTo(request.method) !== "public") callerIn(request.contextValues);
    return await next(request);
  };
}

/** Turns a thrown error into what the caller may see, and records the answer's code in the log line. */
export function answer(parts: Pick<Deps, "store" | "reportFault">): Interceptor {
  return (next) => async (request) => {
    const line = request.contextValues.get(LINE);
    const note = (code: string) => {
      if (line !== undefined) line.code = code;
    };
    const refusing = (error: unknown) => {
      const answered = errorFor(parts, error, request.method, line);
      note(codeToString(answered.code));
      return answered;
    };
    try {
      const response = await next(request);
      note("ok");
      // A stream throws only while it is read.
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

/** Returns what a caller may see of an error. Reports a fault. */
function errorFor(
  { store, reportFault }: Pick<Deps, "store" | "reportFault">,
  error: unknown,
  method: DescMethod,
  line: RequestLine | undefined,
): ConnectError {
  if (error instanceof ConnectError) return error;
  if (error instanceof Refusal) return refusalFor(method, error);
  if (line?.isOver() === true && isEndOfStream(error)) {
    return new ConnectError("the caller has left", Code.Canceled);
  }
  reportFault(error, line);
  const why = whyUnavailable(store, error);
  return why === undefined
    ? new ConnectError("internal error", Code.Internal)
    : new ConnectError(why, Code.Unavailable);
}

/** Node's errors for a read or a write of a request whose caller has left. */
const ENDS_OF_STREAM: ReadonlySet<unknown> = new Set([
  ...["ERR_STREAM_PREMATURE_CLOSE", "ERR_STREAM_DESTROYED", "ERR_STREAM_WRITE_AFTER_END"],
  ...[
    "ERR_HTTP2_INVALID_STREAM",
    "ERR_HTTP2_STREAM_ERROR",
    "ERR_HTTP2_STREAM_CANCEL",
    "ERR_HTTP2_SESSION_ERROR",
  ],
  ...["ECONNRESET", "EPIPE"],
]);

function isEndOfStream(error: unknown): boolean {
  return error instanceof Error && "code" in error && ENDS_OF_STREAM.has(error.code);
}
