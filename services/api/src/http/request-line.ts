import type { AccountId } from "@posthaste/domain";
import { type Log, noTracer, type Tracer } from "@posthaste/runtime";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { whenOver } from "./when-over.ts";

/** What becomes known of a request on its way; logged when it is over. */
export type RequestLine = {
  readonly id: string;
  /** The RPC that was called, such as `posthaste.v1.EventIngestService/IngestEvent`. */
  rpc?: string;
  /** What an RPC was answered with; undefined where its message could not be read. */
  code?: string;
  accountId?: AccountId;
  /** Of its span; undefined where it is not traced. */
  readonly traceparent?: string | undefined;
  /** What an ingest call stored. */
  ingested?: { events: number; duplicates: number; deliveries: number };
};

/** What the API tells of its requests as it happens, beside its log. */
export type ApiObserver = {
  readonly completed: (request: {
    /** The RPC's name or the route's pattern, and never what a caller wrote. */
    readonly call: string;
    readonly code: string;
    readonly durationMs: number;
    readonly ingested: RequestLine["ingested"];
  }) => void;
  /** A fault of ours failed a request. */
  readonly faulted: () => void;
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
export function logRequests(app: FastifyInstance, log: Log, tracer: Tracer, observer?: ApiObserver): void {
  // The hook gives each request its own.
  app.decorateRequest("line", undefined as unknown as RequestLine);
  app.addHook("onRequest", async (request, reply) => beginLine(request, reply, log, { tracer, observer }));
}

export function beginLine(
  request: FastifyRequest,
  reply: FastifyReply,
  log: Log,
  { tracer = noTracer, observer }: { tracer?: Tracer; observer?: ApiObserver | undefined } = {},
): void {
  const route = request.routeOptions.url;
  const parent = request.headers["traceparent"];
  const name = `${request.method} ${route ?? "unmatched"}`;
  const isProbe = PROBES.has(route) || PROBES.has(route?.slice(1));
  const span = (isProbe ? noTracer : tracer).begin(name, {
    kind: "server",
    parent: typeof parent === "string" ? parent : undefined,
  });
  const line: RequestLine = { id: request.id, traceparent: span.traceparent };
  request.line = line;
  reply.header("x-request-id", line.id);
  const begun = performance.now();
  whenOver(reply.raw, () => {
    const { statusCode, writableFinished } = reply.raw;
    const { rpc, accountId, ingested } = line;
    if (rpc !== undefined) {
      const [service = "", method = ""] = rpc.split("/");
      span.rename(rpc);
      span.set({ "rpc.system": "connect_rpc", "rpc.service": service, "rpc.method": method });
    }
    span.set({ "http.response.status_code": statusCode, "posthaste.code": line.code ?? "" });
    if (statusCode >= 500) span.fail(line.code ?? String(statusCode));
    span.end();
    if (PROBES.has(rpc ?? route) && (line.code ?? "ok") === "ok" && statusCode < 400) return;
    const durationMs = Math.round(performance.now() - begun);
    const answered = rpc === undefined ? String(statusCode) : (line.code ?? "unread");
    observer?.completed({ call: rpc ?? route ?? "unmatched", code: answered, durationMs, ingested });
    log.info("request.completed", {
      requestId: line.id,
      ...(rpc === undefined
        ? { route, method: request.method, code: statusCode }
        : { rpc, code: line.code ?? "unread" }),
      durationMs,
      ...(accountId === undefined ? {} : { accountId }),
      ...ingested,
      ...(span.traceId === undefined ? {} : { traceId: span.traceId }),
      // The caller went away before the answer did.
      ...(writableFinished ? {} : { aborted: true }),
    });
  });
}
