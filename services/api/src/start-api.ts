import { randomUUID } from "node:crypto";
import { setMaxListeners } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import type { ConnectRouter } from "@connectrpc/connect";
import { fastifyConnectPlugin } from "@connectrpc/connect-fastify";
import { listenProblem, type Readiness, urlOf } from "@posthaste/runtime";
import fastify, { type FastifyInstance } from "fastify";
import { RPC_METHODS, TOKEN_RPC_PATHS } from "./connect/access.ts";
import { contextValuesFor } from "./connect/call-values.ts";
import { COMPRESS_MIN_BYTES, COMPRESSIONS } from "./connect/compressions.ts";
import { refuseFirst } from "./connect/interceptors.ts";
import { insteadOf } from "./connect/nearest-rpc.ts";
import { connectRoutes, interceptors } from "./connect/routes.ts";
import { rpcHeaders } from "./connect/rpc-headers.ts";
import { strictJson } from "./connect/strict-json.ts";
import { type ConsoleOptions, consolePages, notFoundPage } from "./console/console.ts";
import { type Counters, countersOf } from "./counters.ts";
import type { Deps } from "./deps.ts";
import { gateway } from "./gateway/gateway.ts";
import { boundRequests } from "./http/admission.ts";
import { allowOrigins } from "./http/cross-origin.ts";
import { boundHeads } from "./http/head-bounds.ts";
import { serveHealth } from "./http/health.ts";
import { requireHost } from "./http/hosts.ts";
import { makeRoutable } from "./http/methods.ts";
import { createOnePort } from "./http/one-port.ts";
import { problemOf, sendProblem } from "./http/problem.ts";
import { logRequests } from "./http/request-line.ts";
import type { Handler } from "./http/request-turns.ts";
import { answerUnrouted } from "./http/unrouted.ts";
import { boundUntaken } from "./http/untaken.ts";
import { isOver } from "./http/when-over.ts";
import { inboxRoute } from "./inbox/inbox-route.ts";
import "@posthaste/runtime/keep-proto-members";

export type ApiOptions = {
  readonly deps: Deps;
  readonly host: string;
  /** 0 picks a free port. */
  readonly port: number;
  /** Origins whose pages may call the API. Default: none. */
  readonly corsOrigins?: readonly string[];
  /** How long a shutdown waits for requests in flight. */
  readonly drainMs: number;
  /** Default: no console is served. */
  readonly console?: ConsoleOptions;
  /** Changes the RPCs that are served, for tests. Default: as they are. */
  readonly extendRoutes?: (routes: Routes) => Routes;
};

type Routes = (router: ConnectRouter) => void;

export type Api = {
  readonly url: string;
  /** What `/readyz` answers. */
  readiness(): Promise<Readiness>;
  /** Returns what is open now. */
  counters(): Counters;
  /** Finishes the requests in flight, and cuts off those that take longer than `drainMs`. */
  stop(): Promise<void>;
};

const ROUTING = {
  caseSensitive: false,
  ignoreTrailingSlash: true,
  // A route that takes a query parses it itself: here, nobody knows yet who asks.
  querystringParser: () => ({}),
};

/** Serves everything on one port: Connect, gRPC, gRPC-Web, the REST gateway, the console, health. */
export async function startApi(options: ApiOptions): Promise<Api> {
  const { deps, host, drainMs, corsOrigins = [] } = options;
  const { log, limits, lastCallers, loopTurns, observer, requestPlaces } = deps;
  const problems = { ...deps, bodyBytesMax: limits.gatewayBodyBytesMax };
  let handle = (_request: IncomingMessage, _response: ServerResponse) => {};
  const handleAny: Handler = (request, response) => {
    makeRoutable(request);
    handle(request as IncomingMessage, response as ServerResponse);
  };
  const port = createOnePort({ limits, handler: handleAny, probableAccount: lastCallers.of, observer });
  port.server.on("connection", loopTurns.accepted);
  const app = fastify({
    serverFactory: (handler) => {
      handle = handler;
      return port.server;
    },
    bodyLimit: limits.bodyBytesMax,
    routerOptions: ROUTING,
    // A request on an open connection is served while the server stops: its caller cannot know that it does.
    return503OnClosing: false,
    genReqId: () => randomUUID(),
    clientErrorHandler: port.refuse,
    // Errors before routing, such as a path that cannot be decoded.
    frameworkErrors: (error, request, reply) => {
      lines.begin(request, reply);
      admission.bound(request, reply);
      sendProblem(reply, problemOf(problems, error, request.line));
    },
  });
  app.setErrorHandler((error, request, reply) =>
    sendProblem(reply, problemOf(problems, error, request.line)),
  );
  const lines = logRequests(app, log, deps.tracer, deps.observer);
  // Before any refusal, so that a page can read it.
  await allowOrigins(app, corsOrigins);
  const admission = boundRequests(app, { limits, requestPlaces, tokenPaths: TOKEN_RPC_PATHS });
  const untaken = boundUntaken(app, limits.untakenBytesMax);
  app.addHook("onRequest", async (_request, reply) => {
    // Browsers must not guess a media type.
    reply.header("x-content-type-options", "nosniff");
  });
  boundHeads(app);
  requireHost(app);
  closeUnsentFiles(app);
  answerUnrouted(app, (path) => RPC_METHODS.get(path), insteadOf, notFoundPage(options.console));
  const stopping = new AbortController();
  // Every call in flight has a listener on this signal, so their number is not a leak.
  setMaxListeners(0, stopping.signal);

  await registerRoutes(app, options, stopping.signal);
  const readiness = serveHealth(app, deps, stopping.signal);
  await app.listen({ host, port: options.port }).catch((error: unknown) => {
    const settings = { host: "POSTHASTE_HOST", port: "POSTHASTE_PORT" };
    throw listenProblem(error, { host, port: options.port, settings });
  });
  const url = urlOf(app.server.address(), host);
  const counters = () => countersOf(deps, { port, requests: admission.underWay(), lines, untaken });
  log.info("api.started", { url });

  return {
    url,
    readiness,
    counters,
    async stop() {
      const force = setTimeout(() => {
        log.warn("api.requests_cut", { drainMs, ...admission.underWay() });
        port.destroy();
      }, drainMs);
      // Ends endless streams, such as a watched health status. Other requests may finish.
      stopping.abort();
      const closed = app.close();
      port.drain();
      await closed;
      clearTimeout(force);
    },
  };
}

/** Closes a file whose response is over before the file is open. */
function closeUnsentFiles(app: FastifyInstance): void {
  app.addHook("onSend", async (_request, reply, payload) => {
    // Fastify closes it on the response's `close` event, which may have fired while the file was opening.
    if (!(payload instanceof Readable && isOver(reply.raw))) return payload;
    // An error from opening the file arrives later, when nothing handles it any more.
    payload.on("error", () => {}).destroy();
    return "";
  });
}

async function registerRoutes(
  app: FastifyInstance,
  { deps, console: pages, extendRoutes = (routes) => routes }: ApiOptions,
  stopping: AbortSignal,
): Promise<void> {
  const { limits } = deps;
  // biome-ignore lint/nursery/noMisusedPromises: Fastify takes asynchronous plugins and awaits them
  await app.register(async (calls) => {
    rpcHeaders(calls, deps.reportFault);
    // Connect says which types a call takes; Fastify would refuse those that it has no parser for.
    calls.addContentTypeParser("*", (_request, _body, done) => done(null));
    await calls.register(fastifyConnectPlugin, {
      routes: extendRoutes(connectRoutes(deps)),
      acceptCompression: [...COMPRESSIONS],
      compressMinBytes: COMPRESS_MIN_BYTES,
      interceptors: interceptors(deps),
      requestGate: refuseFirst(deps),
      jsonOptions: strictJson(limits.refusesUnknownFields),
      // They are of no use here, and each takes a hundred bytes of memory.
      binaryOptions: { readUnknownFields: false },
      contextValues: ({ line }) => {
        if (line.busy === undefined) line.isAdmitted = true;
        return contextValuesFor(line);
      },
      shutdownSignal: stopping,
    });
  });
  // biome-ignore lint/nursery/noMisusedPromises: Fastify takes asynchronous plugins and awaits them
  await app.register(gateway, { parts: deps, bodyBytesMax: limits.gatewayBodyBytesMax });
  if (deps.inboxes !== null) {
    // biome-ignore lint/nursery/noMisusedPromises: Fastify takes asynchronous plugins and awaits them
    await app.register(inboxRoute, { inboxes: deps.inboxes, bodyBytesMax: limits.bodyBytesMax });
  }
  if (pages !== undefined) await app.register(consolePages, pages);
}
