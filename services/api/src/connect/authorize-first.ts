import type { DescMethod } from "@bufbuild/protobuf";
import { type ConnectRouter, createContextValues } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { Refusal } from "@posthaste/domain";
import type { Principal } from "@posthaste/store";
import { type AdmitParts, admit } from "../access/admit.ts";
import type { BodyRoom } from "../access/places.ts";
import type { Limits } from "../http/limits.ts";
import type { RequestLine } from "../http/request-line.ts";
import { accessTo } from "./access.ts";
import { LINE, PRINCIPAL, REFUSED } from "./call-values.ts";
import { messageBytesMax } from "./message-bytes.ts";
import { plainRequest } from "./plain-request.ts";
import { refusalFor } from "./refusal-for.ts";
import { wrapHandlers } from "./wrap-handlers.ts";

/**
 * Authorizes every call before its body is read, so that a caller without a token cannot send megabytes.
 *
 * A refused call still reaches its handler, which answers it in the call's protocol like any other error,
 * without reading the body; see `refuseFirst`.
 */
export function authorizeFirst(
  router: ConnectRouter,
  parts: AdmitParts & { readonly bodyRoom: BodyRoom; readonly limits: Limits },
): void {
  wrapHandlers(router, (handler) => {
    const { method } = handler;
    const access = accessTo(method);
    if (access === "public") return handler;
    const bytesMax = messageBytesMax(method, parts.limits);
    return async (request) => {
      const contextValues = request.contextValues ?? createContextValues();
      const line = contextValues.get(LINE);
      if (line === undefined) throw new Error("this call has no log line");
      let plain = request;
      try {
        if (line.busy === undefined) {
          const principal = await admit(parts, request.header.get("authorization"), access, line);
          contextValues.set(PRINCIPAL, principal);
          const count = counterFor(parts.bodyRoom, principal, line, method);
          plain = await plainRequest(request, method, { bytesMax, count });
        }
      } catch (error) {
        contextValues.set(REFUSED, { error });
      }
      return await handler({ ...plain, contextValues });
    };
  });
}

/** Returns a function that counts a body's bytes among those of its account, until the request is over. */
function counterFor(
  bodyRoom: BodyRoom,
  { accountId }: Principal,
  line: RequestLine,
  method: DescMethod,
): (bytes: number) => void {
  const part = bodyRoom.begin(accountId);
  line.whenOver(part.end);
  return (bytes) => {
    try {
      part.receive(bytes);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      // Connect reads a body before any interceptor runs.
      const refused = refusalFor(method, error);
      line.code = codeToString(refused.code);
      throw refused;
    }
  };
}
