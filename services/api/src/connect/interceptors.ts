import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext, type Interceptor } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { Refusal } from "@posthaste/domain";
import type { Deps } from "../deps.ts";
import { unavailableFor } from "../http/problem.ts";
import type { RequestLine } from "../http/request-line.ts";
import { accessTo } from "./access.ts";
import { callerIn, LINE, REFUSED } from "./call-values.ts";
import { withReason } from "./complete-errors.ts";
import { detailsFor } from "./error-details.ts";
import { refusalFor } from "./refusal-for.ts";

type AnswerParts = Pick<Deps, "store" | "reportFault">;

/**
 * Throws the error of a call that was refused before its body is read: because the server is busy, or by
 * `authorize-first.ts`.
 */
export function refuseFirst(parts: AnswerParts): (context: HandlerContext) => void {
  return ({ values, method }) => {
    const line = values.get(LINE);
    const refused = line?.busy === undefined ? values.get(REFUSED) : { error: line.busy };
    if (refused !== undefined) {
      const answered = errorFor(parts, refused.error, method, line);
      if (line !== undefined) line.code = codeToString(answered.code);
      throw answered;
    }
    if (accessTo(method) !== "public") callerIn(values);
  };
}

/** Turns a thrown error into what the caller may see, and records the answer's code in the log line. */
export function answer(parts: AnswerParts): Interceptor {
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
  { store, reportFault }: AnswerParts,
  error: unknown,
  method: DescMethod,
  line: RequestLine | undefined,
): ConnectError {
  if (error instanceof ConnectError) return withReason(error, method.input);
  if (error instanceof Refusal) return refusalFor(method, error);
  if (line?.isOver() === true && isEndOfStream(error)) {
    return new ConnectError("the caller has left", Code.Canceled);
  }
  reportFault(error, line);
  const unavailable = unavailableFor(store, error);
  return unavailable === undefined
    ? new ConnectError("internal error", Code.Internal, undefined, detailsFor({ reason: "INTERNAL" }))
    : refusalFor(method, unavailable);
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
  // The call itself gives up, such as the wait for a check of schemas.
  DOMException.ABORT_ERR,
]);

function isEndOfStream(error: unknown): boolean {
  return error instanceof Error && "code" in error && ENDS_OF_STREAM.has(error.code);
}
