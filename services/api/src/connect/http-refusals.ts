import type { ConnectRouter } from "@connectrpc/connect";
import { problemText } from "../http/problem.ts";
import { wrapHandlers } from "./wrap-handlers.ts";

/**
 * Completes the answers to calls whose protocol is not known, which Connect gives as a bare status: the
 * problem says what is wrong, and `Allow` which methods the call takes (RFC 9110, section 15.5.6).
 */
export function httpRefusals(router: ConnectRouter): void {
  wrapHandlers(router, (handler) => async (request) => {
    const answer = await handler(request);
    const allow = handler.allowedMethods.join(", ");
    const problem = problemOfStatus(answer.status, allow);
    if (problem === undefined || answer.body !== undefined) return answer;
    const header = new Headers(answer.header);
    header.set("content-type", "application/problem+json");
    if (answer.status === 405) header.set("allow", allow);
    const body = once(Buffer.from(problemText({ status: answer.status, ...problem })));
    return { ...answer, header, body };
  });
}

function problemOfStatus(status: number, allow: string) {
  switch (status) {
    case 405:
      return {
        title: "Method not allowed",
        detail: `this call does not take the method; use ${allow}`,
        reason: "METHOD_NOT_ALLOWED",
      } as const;
    case 415:
      return {
        title: "Unsupported media type",
        detail:
          "send a content type of Connect, gRPC or gRPC-Web that fits the call, such as application/json",
        reason: "MEDIA_TYPE_UNSUPPORTED",
      } as const;
    case 505:
      return {
        title: "HTTP version not supported",
        detail: "this call streams both ways, which takes HTTP/2",
        reason: "UNSUPPORTED",
      } as const;
    default:
      return undefined;
  }
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}
