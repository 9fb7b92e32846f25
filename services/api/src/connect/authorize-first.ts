import type { DescMethod } from "@bufbuild/protobuf";
import { ConnectError, type ConnectRouter, createContextValues } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { Refusal } from "@posthaste/domain";
import type { Principal, Store } from "@posthaste/store";
import { type AdmitParts, admit } from "../access/admit.ts";
import { ACCOUNT_HEADER, callerFor } from "../access/caller.ts";
import type { ChangeLimit } from "../access/change-limit.ts";
import type { Turn } from "../access/loop-turns.ts";
import type { BodyRoom } from "../access/places.ts";
import type { Limits } from "../http/limits.ts";
import type { RequestLine } from "../http/request-line.ts";
import { accessTo } from "./access.ts";
import { CALLER, CHANGE_LIMIT, HOLD, LINE, OVER, REFUSED, TURN } from "./call-values.ts";
import { messageBytesMax } from "./message-bytes.ts";
import { type Bounds, plainRequest } from "./plain-request.ts";
import { refusalFor } from "./refusal-for.ts";
import { wrapHandlers } from "./wrap-handlers.ts";

type Call = {
  readonly method: DescMethod;
  readonly line: RequestLine;
  readonly bytesMax: number;
  readonly turn: Turn;
  readonly over: AbortSignal | undefined;
};

/**
 * Authorizes every call before its body is read, so that a caller without a token cannot send megabytes.
 *
 * A refused call still reaches its handler, which answers it in the call's protocol like any other error,
 * without reading the body; see `refuseFirst`.
 */
export function authorizeFirst(
  router: ConnectRouter,
  parts: AdmitParts & {
    readonly store: Store;
    readonly bodyRoom: BodyRoom;
    readonly changeLimit: ChangeLimit;
    readonly limits: Limits;
  },
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
          const caller = await callerFor(parts.store, principal, request.header.get(ACCOUNT_HEADER));
          contextValues.set(CALLER, caller);
          contextValues.set(CHANGE_LIMIT, parts.changeLimit);
          if (caller.accountId !== principal.accountId) line.actingIn = caller.accountId;
          const over = contextValues.get(OVER);
          const turn: Turn = async (bytes) => await parts.loopTurns.wait(principal.accountId, bytes, over);
          contextValues.set(TURN, turn);
          const part = parts.bodyRoom.begin(principal.accountId);
          line.whenOver(part.end);
          contextValues.set(HOLD, part.receive);
          const bounds = boundsFor(part.receive, principal, { method, line, bytesMax, turn, over });
          plain = await plainRequest(request, method, bounds);
        }
      } catch (error) {
        contextValues.set(REFUSED, { error });
      }
      return await handler({ ...plain, contextValues });
    };
  });
}

/** Returns the bounds of a call's message. */
function boundsFor(hold: (bytes: number) => void, { accountId }: Principal, call: Call): Bounds {
  return {
    accountId,
    bytesMax: call.bytesMax,
    over: call.over,
    count(bytes) {
      try {
        hold(bytes);
      } catch (error) {
        throw answeredWith(error, call);
      }
    },
    async turn(bytes) {
      await call.turn(bytes).catch((error: unknown) => {
        throw answeredWith(error, call);
      });
    },
  };
}

/** Turns a refusal into its answer, since Connect reads a body before any interceptor runs. */
function answeredWith(error: unknown, { method, line }: Call): unknown {
  const refused = error instanceof Refusal ? refusalFor(method, error) : error;
  // Else its deadline has passed, or its caller has left.
  if (!(refused instanceof ConnectError)) return error;
  line.code = codeToString(refused.code);
  return refused;
}
