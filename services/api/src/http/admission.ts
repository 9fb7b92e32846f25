import type { FastifyInstance, FastifyRequest } from "fastify";
import { BUSY_RETRY_AFTER_MS, type Limits } from "./limits.ts";
import { sendProblem } from "./problem.ts";
import { isOver, whenOver } from "./when-over.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** The route sees to the caller's token before it reads the body. */
    needsToken?: boolean;
  }
}

/** Asked by load balancers and supervisors, who must not take a busy process for a dead one. */
const PROBES: ReadonlySet<string | undefined> = new Set([
  "/healthz",
  "/readyz",
  "/grpc.health.v1.Health/Check",
]);

/** How many requests are under way, by what their route asks of the caller. */
export type RequestsUnderWay = { readonly token: number; readonly public: number };

/**
 * Bounds the requests under way, in whatever protocol, before anything of their bodies is read. A request
 * over the bound is answered 503, which the clients of every protocol take for "unavailable, try again".
 *
 * Requests that need no token have a bound of their own: otherwise anybody could take every place by being
 * slow. Requests that need one cannot be slow without it: they are refused before their bodies are read.
 *
 * @param tokenPaths routes beside those with `needsToken` that see to the token first
 * @returns tells how many there are at the moment
 */
export function boundRequests(
  app: FastifyInstance,
  limits: Limits,
  tokenPaths: ReadonlySet<string>,
): () => RequestsUnderWay {
  const withToken = { underWay: 0, max: limits.requestsMax };
  const forAnybody = { underWay: 0, max: limits.publicRequestsMax };
  app.addHook("onRequest", async (request, reply) => {
    // Nobody waits for its answer, and it takes no place that would bound the work on it.
    if (isOver(reply.raw)) return void reply.hijack();
    if (PROBES.has(request.routeOptions.url)) return;
    const places = needsToken(request, tokenPaths) ? withToken : forAnybody;
    places.underWay += 1;
    whenOver(reply.raw, () => {
      places.underWay -= 1;
    });
    if (places.underWay <= places.max) return;
    return sendProblem(reply, {
      title: "Busy",
      status: 503,
      detail: `${places.max} requests like this are under way; try again in a moment`,
      retryAfterMs: BUSY_RETRY_AFTER_MS,
    });
  });
  return () => ({ token: withToken.underWay, public: forAnybody.underWay });
}

function needsToken({ routeOptions }: FastifyRequest, tokenPaths: ReadonlySet<string>): boolean {
  return routeOptions.config.needsToken === true || tokenPaths.has(routeOptions.url ?? "");
}
