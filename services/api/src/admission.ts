import type { FastifyInstance, FastifyRequest } from "fastify";
import { TOKEN_RPC_PATHS } from "./connect/access.ts";
import { sendProblem } from "./gateway/problem.ts";
import { BUSY_RETRY_AFTER_MS, type Limits } from "./limits.ts";

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

/**
 * Bounds the requests under way, whatever they speak, before anything of their bodies is read. What is over the bound is
 * answered 503, which the clients of every protocol take for "unavailable, try again".
 *
 * Requests that need no token have a bound of their own, or anybody could take every place by being slow. Those that need
 * one cannot be slow without it: they are refused before their bodies are read.
 */
export function boundRequests(app: FastifyInstance, limits: Limits): void {
  const withToken = { underWay: 0, max: limits.POSTHASTE_REQUESTS_MAX };
  const forAnybody = { underWay: 0, max: limits.POSTHASTE_PUBLIC_REQUESTS_MAX };
  app.addHook("onRequest", async (request, reply) => {
    if (PROBES.has(request.routeOptions.url)) return;
    const places = needsToken(request) ? withToken : forAnybody;
    places.underWay += 1;
    reply.raw.once("close", () => {
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
}

function needsToken({ routeOptions }: FastifyRequest): boolean {
  return routeOptions.config.needsToken === true || TOKEN_RPC_PATHS.has(routeOptions.url ?? "");
}
