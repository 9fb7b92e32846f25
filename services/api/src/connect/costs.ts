import type { Interceptor } from "@connectrpc/connect";
import type { Deps } from "../deps.ts";
import { rowsOf } from "./access.ts";
import { callerIn, OVER } from "./call-values.ts";

/**
 * Lets calls that read many rows take turns, by account, at a part of the database's connections. Those that
 * read `many in parts` take their places themselves: a stream would hold its place between its reads.
 */
export function boundCostlyReads({ costlyReads }: Pick<Deps, "costlyReads">): Interceptor {
  return (next) => async (request) => {
    if (rowsOf(request.method) !== "many") return await next(request);
    const { contextValues } = request;
    const { accountId } = callerIn(contextValues).token;
    const over = contextValues.get(OVER);
    const answered = await costlyReads.run(accountId, () => next(request), over);
    if (answered === undefined) throw over?.reason;
    return answered;
  };
}
