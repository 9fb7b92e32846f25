import type { AccountId, Refusal } from "@posthaste/domain";
import { type Log, noTracer, type SpanIds, type Tracer } from "@posthaste/runtime";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { methodName } from "./methods.ts";
import { REFUSALS } from "./refusal-table.ts";
import { isOver, whenOver } from "./when-over.ts";

/** The facts about a request, collected while it is handled and logged when it is over. */
export type RequestLine = {
  readonly id: string;
  /** The called RPC, such as `posthaste.v1.EventIngestService/IngestEvent`. */
  readonly rpc: string | undefined;
  /** The call of an RPC was admitted. If not, HTTP's status is its code. */
  isAdmitted?: true;
  /** Why there is no place for the request; its route answers it without reading its body. */
  busy?: Refusal;
  /** Gives back the place that the request has while no account answers for it. */
  leavePlace?: () => void;
  /** The request is a stream that has one of the places of its kind. */
  isStream?: boolean;
  /** The code an RPC was answered with; undefined if its message could not be read. */
  code?: string;
  accountId?: AccountId;
  /** The account in which an operator acts, if it is not the token's own. */
  actingIn?: AccountId;
  /** The `traceparent` of the request's span; undefined if the request is not traced. */
  readonly traceparent?: string | undefined;
  /** The ids of that span, for log lines. */
  readonly ids?: SpanIds;
  /** Calls back once, when the request is over; see {@link whenOver}. */
  readonly whenOver: (callback: () => void) => void;
  /** Tells whether the request is over; see {@link isOver}. */
  readonly isOver: () => boolean;
  /** What an ingest call stored, unless its caller left before. */
  ingested?: Ingested;
  /** Counts what an ingest call has stored, also if its request is over by then. */
  readonly noteIngested: (ingested: Ingested) => void;
};

/** What an ingest call stored. */
export type Ingested = {
  readonly events: number;
  readonly duplicates: number;
  readonly deliveries: number;
};

/** Receives the API's requests, faults and lost connections as they happen, for metrics. */
export type ApiObserver = {
  readonly completed: (request: {
    /** The RPC's name or the route's pattern, never a caller's text. */
    readonly call: string;
    readonly code: string;
    readonly durationMs: number;
  }) => void;
  /** An ingest call was stored; its request may be over. */
  readonly ingested: (ingested: Ingested) => void;
  /** A fault failed a request. */
  readonly faulted: () => void;
  /** A message over HTTP/1.1 was no request, and was answered with this status unless its client had left. */
  readonly unreadable: (status: number) => void;
  /**
   * A request got no turn, and has no log line: its client left before, when as many such requests waited as
   * may, or it was refused, since as many of its caller's wait as may. See `request-turns.ts`.
   */
  readonly dropped: (why: "ended" | "refused") => void;
  /**
   * A connection was closed: as many were open as may be (see `connection-places.ts`), or over
   * HTTP/2 its client sent too many frames first, resets or GOAWAYs (see `http2-sessions.ts`).
   */
  readonly connectionClosed: (why: "idle" | "full" | "resets") => void;
};

declare module "fastify" {
  interface FastifyRequest {
    line: RequestLine;
  }
}

/** Probes arrive every few seconds, so only failed probes are logged. */
const PROBES: ReadonlySet<string | undefined> = new Set([
  "/healthz",
  "/readyz",
  "grpc.health.v1.Health/Check",
]);

/** The caller left before the answer began. Nobody saw it; nginx has made it known in logs. */
const CLIENT_CLOSED_REQUEST = 499;
const UNSUPPORTED_MEDIA_TYPE = 415;

/** The route of an RPC: its service, which is in a package, and its method. */
const RPC_ROUTE = /^\/((?:\w+\.)+\w+\/\w+)$/;

export type RequestLines = {
  /** Begins the line of a request that no hook sees, such as one whose path cannot be decoded. */
  begin(request: FastifyRequest, reply: FastifyReply): void;
  /** Returns how many requests have begun whose line is still to come. */
  open(): number;
};

/**
 * Logs one line for every request, however it ended, and returns its id to the caller (`x-request-id`). The
 * line holds no bodies, query strings or tokens. Call this before routes are added.
 */
export function logRequests(
  app: FastifyInstance,
  log: Log,
  tracer: Tracer,
  observer?: ApiObserver,
): RequestLines {
  let open = 0;
  const begin = (request: FastifyRequest, reply: FastifyReply) => {
    open += 1;
    const logLine = beginLine(request, reply, log, { tracer, observer });
    whenOver(reply.raw, () => {
      open -= 1;
      logLine();
    });
  };
  // The hook below sets a line for each request.
  app.decorateRequest("line", undefined as unknown as RequestLine);
  app.addHook("onRequest", async (request, reply) => begin(request, reply));
  return { begin, open: () => open };
}

/** Starts a request's line and span. @returns ends both; call it when the request is over */
function beginLine(
  request: FastifyRequest,
  reply: FastifyReply,
  log: Log,
  { tracer, observer }: { tracer: Tracer; observer: ApiObserver | undefined },
): () => void {
  const route = request.routeOptions.url;
  const rpc = RPC_ROUTE.exec(route ?? "")?.[1];
  const parent = request.headers["traceparent"];
  const method = methodName(request.method);
  const name = `${method} ${route ?? "unmatched"}`;
  const isProbe = PROBES.has(rpc ?? route);
  const span = (isProbe ? noTracer : tracer).begin(name, {
    kind: "server",
    parent: typeof parent === "string" ? parent : undefined,
  });
  const line: RequestLine = {
    id: request.id,
    rpc,
    traceparent: span.traceparent,
    ids: span.ids,
    whenOver: (callback) => whenOver(reply.raw, callback),
    isOver: () => isOver(reply.raw),
    noteIngested(ingested) {
      line.ingested = ingested;
      observer?.ingested(ingested);
    },
  };
  request.line = line;
  reply.header("x-request-id", line.id);
  const startedAt = performance.now();
  return () => {
    const { writableEnded, writableFinished, headersSent: hasBegun } = reply.raw;
    // Over HTTP/2, a stream that is destroyed counts as finished.
    const isComplete = writableEnded && writableFinished;
    // Until an answer begins, Node has 200 in its place.
    const statusCode = hasBegun ? reply.raw.statusCode : CLIENT_CLOSED_REQUEST;
    const { accountId, actingIn, ingested } = line;
    if (rpc !== undefined) {
      const [service = "", rpcMethod = ""] = rpc.split("/");
      span.rename(rpc);
      span.set({ "rpc.system": "connect_rpc", "rpc.service": service, "rpc.method": rpcMethod });
    }
    if (hasBegun) span.set({ "http.response.status_code": statusCode });
    span.set({ "posthaste.code": line.code ?? "" });
    if (statusCode >= 500) span.fail(line.code ?? String(statusCode));
    span.end();
    if (PROBES.has(rpc ?? route) && (line.code ?? "ok") === "ok" && statusCode < 400) return;
    const durationMs = Math.round(performance.now() - startedAt);
    const unread = statusCode === UNSUPPORTED_MEDIA_TYPE ? statusCode : "unread";
    const codeOfRpc = line.code ?? (hasBegun ? unread : "canceled");
    const code = line.isAdmitted === true ? codeOfRpc : statusOf(line, statusCode);
    observer?.completed({ call: rpc ?? route ?? "unmatched", code: String(code), durationMs });
    log.info("request.completed", {
      requestId: line.id,
      ...(rpc === undefined ? { route, method } : { rpc }),
      code,
      durationMs,
      ...(accountId === undefined ? {} : { accountId }),
      ...(actingIn === undefined ? {} : { actingIn }),
      ...ingested,
      ...span.ids,
      // The caller left before the response was complete.
      ...(isComplete ? {} : { aborted: true }),
    });
  };
}

/** Returns HTTP's status for a request; gRPC answers a call without a place with status 200. */
function statusOf({ busy }: RequestLine, statusCode: number): number {
  return busy === undefined ? statusCode : REFUSALS[busy.code].http;
}
