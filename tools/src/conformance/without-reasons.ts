import type { ConnectError, ConnectRouter } from "@connectrpc/connect";
import { findTrailerError, setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { ErrorInfoSchema } from "@posthaste/contracts/error-details";
import { rewriteErrors } from "../../../services/api/src/connect/rewrite-errors.ts";
import { type Answer, wrapHandlers } from "../../../services/api/src/connect/wrap-handlers.ts";

/**
 * Takes the reason off every error, which the API adds to the details. The Connect suite accepts exactly the
 * details that it asked for; a client ignores those that it does not know.
 */
export function takeReasonsOff(router: ConnectRouter): void {
  wrapHandlers(router, (handler) => async (request) => {
    const answer = await rewriteErrors(await handler(request), withoutReason);
    return answer.trailer === undefined ? answer : { ...answer, body: untilTrailers(answer) };
  });
}

/** Changes the trailers, in which gRPC has its errors, once they are complete. */
async function* untilTrailers({ body, trailer = new Headers() }: Answer) {
  if (body !== undefined) yield* body;
  const error = findTrailerError(trailer);
  if (error === undefined) return;
  trailer.delete("grpc-status-details-bin");
  setTrailerStatus(trailer, withoutReason(error));
}

function withoutReason(error: ConnectError): ConnectError {
  const { typeName } = ErrorInfoSchema;
  error.details = error.details.filter((one) => ("desc" in one ? one.desc.typeName : one.type) !== typeName);
  return error;
}
