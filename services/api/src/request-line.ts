import type { AccountId } from "@posthaste/domain";
import type { Log } from "@posthaste/runtime";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";

/** What becomes known of a request on its way; logged when it is over. */
export type RequestLine = {
  readonly id: string;
  /** The RPC that was called, such as `posthaste.v1.EventIngestService/IngestEvent`. */
  rpc?: string;
  /** What an RPC was answered with; undefined where its message could not be read. */
  code?: string;
  accountId?: AccountId;
  /** What an ingest call stored. */
  ingested?: { readonly events: number; readonly duplicates: number; readonly deliveries: number };
};

declare module "fastify" {
  interface FastifyRequest {
    line: RequestLine;
  }
}

/** Probes come every few seconds and say nothing new; those that fail are logged. */
const PROBES: ReadonlySet<string | undefined> = new Set([
  "/healthz",
  "/readyz",
  "grpc.health.v1.Health/Check",
]);

/**
 * Logs one line for each request, whatever it was and however it ended, and tells its id to the caller
 * (`x-request-id`). No bodies, no query strings, no tokens. It must come before the routes.
 */
export function logRequests(app: FastifyInstance, log: Log): void {
  // The hook gives each request its own.
  app.decorateRequest("line", undefined as unknown as RequestLine);
  app.addHook("onRequest", async (request, reply) => beginLine(request, reply, log));
}

export function beginLine(request: FastifyRequest, reply: FastifyReply, log: Log): void {
  const line: RequestLine = { id: request.id };
  request.line = line;
  reply.header("x-request-id", line.id);
  const begun = performance.now();
  reply.raw.once("close", () => {
    const { statusCode, writableFinished } = reply.raw;
    const { rpc, accountId, ingested } = line;
    const route = request.routeOptions.url;
    if (PROBES.has(rpc ?? route) && (line.code ?? "ok") === "ok" && statusCode < 400) return;
    log.info("request.completed", {
      requestId: line.id,
      ...(rpc === undefined
        ? { route, method: request.method, code: statusCode }
        : { rpc, code: line.code ?? "unread" }),
      durationMs: Math.round(performance.now() - begun),
      ...(accountId === undefined ? {} : { accountId }),
      ...ingested,
      // The caller went away before the answer did.
      ...(writableFinished ? {} : { aborted: true }),
    });
  });
}
