import { Refusal } from "@posthaste/domain";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { boundArrival } from "./bound-arrival.ts";
import { BUSY_RETRY_AFTER_MS, type Limits } from "./limits.ts";
import { problemFor, sendProblem } from "./problem.ts";
import { isOver, whenOver } from "./when-over.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** The route checks the caller's token before it reads the body. */
    needsToken?: boolean;
  }
}

/**
 * Health checks are exempt: load balancers and supervisors must not mistake a busy process for a dead one.
 */
const PROBES: ReadonlySet<string | undefined> = new Set([
  "/healthz",
  "/readyz",
  "/grpc.health.v1.Health/Check",
]);

/** Requests in flight, by whether their route needs a token. */
export type RequestsUnderWay = { readonly token: number; readonly public: number };

/**
 * Bounds the requests in flight, in every protocol, before their bodies are read. A request over the bound is
 * answered "unavailable, try again" (503).
 *
 * Requests that need no token have a separate bound: otherwise anyone could take every place by sending
 * slowly. A request that needs a token is refused without one before its body is read.
 *
 * @param tokenPaths routes that check the token first, in addition to those with `needsToken`
 * @returns a function that counts the requests in flight now
 */
export function boundRequests(
  app: FastifyInstance,
  limits: Limits,
  tokenPaths: ReadonlySet<string>,
): () => RequestsUnderWay {
  const withToken = { inFlight: 0, max: limits.requestsMax };
  const withoutToken = { inFlight: 0, max: limits.publicRequestsMax };
  app.addHook("onRequest", async (request, reply) => {
    // Nobody waits for this response any more. Working on it without a place would escape the bound.
    if (isOver(reply.raw)) return void reply.hijack();
    if (PROBES.has(request.routeOptions.url)) return;
    const places = needsToken(request, tokenPaths) ? withToken : withoutToken;
    places.inFlight += 1;
    whenOver(reply.raw, () => {
      places.inFlight -= 1;
    });
    if (places === withoutToken) boundArrival(request.raw, limits.publicRequestTimeoutMs);
    if (places.inFlight <= places.max) return;
    const busy = new Refusal(
      "unavailable",
      `the limit of ${places.max} concurrent requests of this kind is reached; try again in a moment`,
      { reason: "SERVER_BUSY", retryAfterMs: BUSY_RETRY_AFTER_MS },
    );
    if (request.line.rpc === undefined) return sendProblem(reply, problemFor(busy));
    // The call's route answers it in the call's protocol.
    request.line.busy = busy;
  });
  return () => ({ token: withToken.inFlight, public: withoutToken.inFlight });
}

function needsToken({ routeOptions }: FastifyRequest, tokenPaths: ReadonlySet<string>): boolean {
  return routeOptions.config.needsToken === true || tokenPaths.has(routeOptions.url ?? "");
}
