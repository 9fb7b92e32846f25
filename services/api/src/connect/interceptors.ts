import {
  Code,
  ConnectError,
  createContextKey,
  type HandlerContext,
  type Interceptor,
} from "@connectrpc/connect";
import { Refusal } from "@posthaste/domain";
import { isStoreAway, type Principal } from "@posthaste/store";
import { principalOf, requireScope } from "../auth.ts";
import type { Deps } from "../deps.ts";
import { REFUSALS } from "../refusal-table.ts";
import { accessTo } from "./access.ts";

const PRINCIPAL = createContextKey<Principal | undefined>(undefined);

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
      if (access !== "any") requireScope(principal, access);
      request.contextValues.set(PRINCIPAL, principal);
    }
    return await next(request);
  };
}

/** Writes one line for each call, and turns what was thrown into what a caller may see. */
export function answerAndLog(deps: Deps): Interceptor {
  return (next) => async (request) => {
    const begun = performance.now();
    const log = (code: string) =>
      deps.log.info("request.completed", {
        rpc: `${request.service.typeName}/${request.method.name}`,
        code,
        durationMs: Math.round(performance.now() - begun),
        accountId: request.contextValues.get(PRINCIPAL)?.accountId,
      });
    try {
      const response = await next(request);
      log("ok");
      return response;
    } catch (error) {
      const answer = answerFor(deps, error);
      log(Code[answer.code]);
      throw answer;
    }
  };
}

function answerFor(deps: Deps, error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  if (error instanceof Refusal) {
    const answer = new ConnectError(error.message, REFUSALS[error.code].connect);
    if (error.code === "unauthenticated") answer.metadata.set("www-authenticate", "Bearer");
    return answer;
  }
  deps.log.error("request.faulted", error);
  return isStoreAway(deps.store, error)
    ? new ConnectError("the database is away; try again in a moment", Code.Unavailable)
    : new ConnectError("internal error", Code.Internal);
}
