import { Refusal } from "@posthaste/domain";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { boundArrival } from "./bound-arrival.ts";
import { BUSY_RETRY_AFTER_MS, type Limits, PROBES_MAX, REFUSED_MAX } from "./limits.ts";
import { isProbe } from "./probes.ts";
import { problemFor, sendProblem } from "./problem.ts";
import { createUnprovenPlaces, waitsForBody, waitsForTaking } from "./unproven.ts";
import { isOver } from "./when-over.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** The route checks the caller's token before it reads the body. */
    needsToken?: boolean;
  }
}

/** Requests in flight, by whether their route needs a token. */
export type RequestsUnderWay = { readonly token: number; readonly public: number };

type BoundParts = {
  readonly limits: Limits;
  /** The places of the requests of accounts. */
  readonly requestPlaces: { taken(): number };
  /** Routes that check the token first, in addition to those with `needsToken`. */
  readonly tokenPaths: ReadonlySet<string>;
};

export type Admission = {
  /**
   * Bounds a request that no hook sees and that is answered at once, such as one whose path cannot be
   * decoded.
   */
  bound(request: FastifyRequest, reply: FastifyReply): void;
  /** Counts the requests in flight now. */
  underWay(): RequestsUnderWay;
};

/**
 * Bounds the requests in flight, in every protocol, before their bodies are read. A request over the bound is
 * answered "unavailable, try again" (503).
 *
 * Until its token is known to be good, a request that needs one has a place among the unproven; then it takes
 * one of its account's. Requests that need no token have a separate bound, so that anonymous callers and
 * accounts do not keep each other out.
 *
 * What no account answers for is bounded whatever becomes of it, and gives way rather than keep others out:
 * the place of one that waits for its caller goes to the next. See {@link createUnprovenPlaces}.
 */
export function boundRequests(
  app: FastifyInstance,
  { limits, requestPlaces, tokenPaths }: BoundParts,
): Admission {
  // The body of a request that needs a token is not read before the token is good.
  const unproven = createUnprovenPlaces(limits.requestsMax, waitsForTaking);
  const open = createUnprovenPlaces(
    limits.publicRequestsMax,
    (exchange) => waitsForBody(exchange) || waitsForTaking(exchange),
  );
  const refused = createUnprovenPlaces(REFUSED_MAX, () => true);
  const probes = createUnprovenPlaces(PROBES_MAX, () => true);
  app.addHook("onRequest", async (request, reply) => {
    // Nobody waits for this response any more. Working on it without a place would escape the bound.
    if (isOver(reply.raw)) return void reply.hijack();
    if (isProbe(request.routeOptions.url)) {
      probes.take(request, reply);
      return boundArrival(request.raw, limits.publicRequestTimeoutMs);
    }
    const isOpen = !needsToken(request, tokenPaths);
    if (isOpen) boundArrival(request.raw, limits.publicRequestTimeoutMs);
    const isFull = !isOpen && requestPlaces.taken() >= limits.requestsMax;
    if (!isFull && (isOpen ? open : unproven).take(request, reply)) return;
    refused.take(request, reply);
    const max = isOpen ? limits.publicRequestsMax : limits.requestsMax;
    const busy = new Refusal(
      "unavailable",
      `the limit of ${max} concurrent requests of this kind is reached; try again in a moment`,
      { reason: "SERVER_BUSY", retryAfterMs: BUSY_RETRY_AFTER_MS },
    );
    if (request.line.rpc === undefined) return sendProblem(reply, problemFor(busy));
    // The call's route answers it in the call's protocol.
    request.line.busy = busy;
  });
  return {
    bound: (request, reply) => void refused.take(request, reply),
    underWay: () => ({ token: unproven.taken() + requestPlaces.taken(), public: open.taken() }),
  };
}

function needsToken({ routeOptions }: FastifyRequest, tokenPaths: ReadonlySet<string>): boolean {
  return routeOptions.config.needsToken === true || tokenPaths.has(routeOptions.url ?? "");
}
