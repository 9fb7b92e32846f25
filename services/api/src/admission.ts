import type { FastifyInstance } from "fastify";
import { sendProblem } from "./gateway/problem.ts";
import { BUSY_RETRY_AFTER_MS } from "./limits.ts";

/** Asked by load balancers and supervisors, who must not take a busy process for a dead one. */
const PROBES: ReadonlySet<string | undefined> = new Set(["/healthz", "/readyz"]);

/**
 * Bounds the requests under way, whatever they speak, before anything of their bodies is read. What is over the bound is
 * answered 503, which the clients of every protocol take for "unavailable, try again".
 */
export function boundRequests(app: FastifyInstance, max: number): void {
  let underWay = 0;
  app.addHook("onRequest", async (request, reply) => {
    if (PROBES.has(request.routeOptions.url)) return;
    underWay += 1;
    reply.raw.once("close", () => {
      underWay -= 1;
    });
    if (underWay <= max) return;
    return sendProblem(reply, {
      title: "Busy",
      status: 503,
      detail: `${max} requests are under way; try again in a moment`,
      retryAfterMs: BUSY_RETRY_AFTER_MS,
    });
  });
}
