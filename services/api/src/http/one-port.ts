import { createServer, IncomingMessage, type Server, type ServerResponse } from "node:http";
import {
  constants,
  createServer as createHttp2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import { Socket } from "node:net";
import { dropRest, dropUnparsed, endConnection, isTooLong, keepRest } from "./body-rest.ts";
import { boundArrival } from "./bound-arrival.ts";
import { createConnectionPlaces } from "./connection-places.ts";
import { createHttp2Reading, type Http2Reading } from "./http2-reading.ts";
import { createHttp2Sessions } from "./http2-sessions.ts";
import type { Limits } from "./limits.ts";
import { FIRST_FRAMES_MAX, HEADER_FIELDS_MAX, NODES_RESETS_MAX, SESSION_MEMORY_MAX_MB } from "./limits.ts";
import { createPipelining } from "./pipelining.ts";
import type { ApiObserver } from "./request-line.ts";
import {
  createRequestTurns,
  type Handler,
  type ProbableAccount,
  type RequestTurns,
} from "./request-turns.ts";
import { boundUnheard } from "./unheard.ts";
import { answerUnreadable, type Http1Connection } from "./unreadable.ts";
import { destroyEnded, endUnheard, wakeWriters } from "./when-over.ts";

/** What is open on a port now. */
export type PortCounters = {
  /** Connections whose first bytes have not arrived, or are not read yet. */
  readonly undecided: number;
  /** Connections that speak HTTP/1.1. */
  readonly http1: number;
  /** Requests over HTTP/1.1. */
  readonly responses: number;
  /** Connections that speak HTTP/2. */
  readonly http2: number;
  /** HTTP/2 sessions: the protocol's state of a connection. */
  readonly sessions: number;
  /** Requests over HTTP/2. */
  readonly streams: number;
  /** Those that wait for their turn of the event loop, and ended ones that are still to be logged. */
  readonly waiting: number;
};

export type OnePort = {
  readonly server: Server;
  counters(): PortCounters;
  /** Answers what Node's HTTP/1.1 server cannot read: the listener of its `clientError`. */
  refuse(error: { readonly code?: string }, socket: Socket): void;
  /** Lets requests in flight finish and accepts no new requests on open connections. */
  drain(): void;
  /** Closes every connection, even with requests in flight. */
  destroy(): void;
};

/** Stands for the connection of a stream whose session is gone: Node no longer knows which it was. */
const LOST = new Socket();

type PortParts = {
  readonly limits: Limits;
  readonly handler: Handler;
  /** Default: no caller is known. */
  readonly probableAccount?: ProbableAccount;
  readonly observer?: ApiObserver | undefined;
};

/** The start of the HTTP/2 preface (RFC 9113, section 3.4). No HTTP/1.1 method starts with these letters. */
const HTTP2_PREFACE_START = Buffer.from("PRI");

/**
 * Listeners on one response or stream before Node warns of a leak: twice Node's default. Over ten of
 * Posthaste, Connect and Fastify wait for the end of some.
 */
const LISTENERS_MAX = 20;

/** A request's method, scheme, host and path are headers over HTTP/2. */
const PSEUDO_HEADERS = 4;

/**
 * Serves HTTP/1.1 and HTTP/2 (prior knowledge) on one plaintext port.
 *
 * Node speaks one or the other on a port, not both. So Node's HTTP/1.1 server listens, with its connection
 * listener wrapped: the wrapper reads the first bytes, puts them back, and passes the connection to the
 * original listener or to an HTTP/2 server that never listens itself. The HTTP/1.1 server must be the one
 * that listens: its timeouts for slow headers and requests depend on its own connection list.
 */
export function createOnePort({
  limits,
  handler,
  probableAccount = () => undefined,
  observer,
}: PortParts): OnePort {
  const places = createConnectionPlaces(limits.connectionsMax, (why) => observer?.connectionClosed(why));
  const dropped = (why: "ended" | "refused") => observer?.dropped(why);
  const turns = createRequestTurns({ handler, probableAccount, places, dropped: () => dropped("ended") });
  const http1 = createHttp1(limits, turns);
  const reading = createHttp2Reading();
  const cutOff = (socket: Socket) => {
    socket.destroy();
    observer?.connectionClosed("resets");
  };
  const http2 = createHttp2(limits, turns, { reading, dropped, cutOff });
  const { server } = http1;
  const undecided = new Set<Socket>();
  server.on("connection", (socket) => {
    turns.accepted();
    if (!places.take(socket)) return;
    undecided.add(socket);
    socket.once("close", () => undecided.delete(socket));
    decide(socket, limits.headersTimeoutMs, (isHttp2) => {
      if (!isHttp2) {
        undecided.delete(socket);
        return http1.take(socket);
      }
      reading.take(socket, (frames) => {
        undecided.delete(socket);
        if (frames > FIRST_FRAMES_MAX) cutOff(socket);
        else http2.take(socket);
      });
    });
  });
  server.once("close", () => {
    http2.stop();
    // Their clients have left, and whoever stops the process waits no longer than this.
    turns.handOverAll();
  });

  return {
    server,
    counters: () => ({
      undecided: undecided.size,
      ...http1.counters(),
      ...http2.counters(),
      waiting: turns.waiting(),
    }),
    refuse(error, socket) {
      http1.refuse(socket, error.code ?? "", (status) => observer?.unreadable(status));
    },
    drain() {
      http1.drain();
      for (const socket of undecided) socket.destroy();
      http2.drain();
      server.closeIdleConnections();
    },
    destroy() {
      http2.destroy();
      server.closeAllConnections();
    },
  };
}

/**
 * A request over HTTP/1.1 that upgrades to nothing, so that CONNECT is handed over like any other. Node would
 * destroy its connection, even before requests in front of it are answered.
 */
class PlainRequest extends IncomingMessage {
  /** It is CONNECT or asks for an upgrade. Node's parser drops what it has read behind it. */
  asksToUpgrade = false;
  get upgrade(): boolean {
    return false;
  }
  // Node sets it once it has read the head.
  set upgrade(asked: boolean) {
    this.asksToUpgrade = asked;
  }
}

/** Creates Node's HTTP/1.1 server without its connection listener, which `take` calls. */
function createHttp1(limits: Limits, turns: RequestTurns) {
  let draining = false;
  const connections = new Map<Socket, Http1Connection>();
  const pipelining = createPipelining(turns.take);
  const handle = (request: PlainRequest, response: ServerResponse) => {
    // A broken connection needs no handling. Since Node 24, handlers have removed their listeners by the
    // time Node emits the error of a pipelined request, and an unhandled error would end the process.
    request.on("error", () => {});
    response.setMaxListeners(LISTENERS_MAX);
    // Once it is over, the request no longer knows it.
    const { socket } = request;
    const connection: Http1Connection = connections.get(socket) ?? { inFlight: new Set() };
    if (connection.last !== undefined) {
      dropUnparsed(socket);
      return;
    }
    noteInFlight(connection, request, response);
    response.once("close", () => wakeWriters(response));
    keepRest(request);
    // Before Node's own listener, which drops a body that nobody has begun to read without a bound.
    response.prependOnceListener("finish", () => {
      if (!request.complete) dropRest(request, socket);
    });
    if (request.asksToUpgrade) connection.last = request;
    const isLast = draining || isTooLong(request) || request.asksToUpgrade;
    if (isLast) response.setHeader("connection", "close");
    pipelining.take(request, response);
  };
  const server = createServer(
    {
      IncomingMessage: PlainRequest,
      // Node would refuse it itself, without a log line; see hosts.ts.
      requireHostHeader: false,
      maxHeaderSize: limits.headerBytesMax,
      headersTimeout: limits.headersTimeoutMs,
      keepAliveTimeout: limits.keepAliveMs,
      requestTimeout: Math.max(limits.requestTimeoutMs, limits.headersTimeoutMs),
      connectionsCheckingInterval: Math.min(1_000, limits.headersTimeoutMs),
    },
    handle,
  );
  // Node would answer 417 itself, without a log line. An expectation may be ignored (RFC 9110, 10.1.1).
  server.on("checkExpectation", handle);
  // Some versions of Node refuse more, others leave them out: one too many tells; see head-bounds.ts.
  server.maxHeadersCount = HEADER_FIELDS_MAX + 1;
  // Counts what the system takes, so a slow reader is not cut off while it reads.
  server.timeout = limits.silenceMs;
  const [takeConnection] = server.listeners("connection");
  if (takeConnection === undefined) throw new Error("Node's HTTP server has no connection listener");
  server.removeAllListeners("connection");
  return {
    server,
    counters: () => ({
      http1: connections.size,
      responses: [...connections.values()].reduce((sum, { inFlight }) => sum + inFlight.size, 0),
    }),
    take(socket: Socket) {
      const connection: Http1Connection = { inFlight: new Set() };
      connections.set(socket, connection);
      socket.once("close", () => {
        connections.delete(socket);
        endUnheard(connection.inFlight);
        // Node does not, if it is answered: what waits for its end would keep it in memory.
        setImmediate(() => connection.arriving?.req.destroy());
      });
      // Node calls this after an answer that says that the connection closes.
      socket.destroySoon = () => endConnection(socket);
      takeConnection.call(server, socket);
    },
    refuse(socket: Socket, code: string, counted: (status: number) => void) {
      const connection = connections.get(socket);
      // It is lost, has had its last answer, or is having it.
      if (connection === undefined || !socket.writable || code === "HPE_CLOSED_CONNECTION") return;
      answerUnreadable(socket, connection, code, counted);
    },
    drain() {
      draining = true;
      for (const response of [...connections.values()].flatMap(({ inFlight }) => [...inFlight])) {
        if (!response.headersSent) response.setHeader("connection", "close");
      }
    },
  };
}

/** Notes that a request is in flight on its connection, and arrives, until each is over. */
function noteInFlight(connection: Http1Connection, request: PlainRequest, response: ServerResponse): void {
  connection.inFlight.add(response);
  connection.arriving = response;
  request.once("close", () => {
    if (connection.arriving === response) connection.arriving = undefined;
  });
  response.once("close", () => connection.inFlight.delete(response));
}

/**
 * Cuts a stream off that stands still for this long.
 *
 * Node clears the timer when it closes the stream, but then the stream must not be destroyed yet, as one is
 * whose connection breaks. Nor may the timer be set later, on one that was reset in the write that opened it.
 * The timer would keep the stream in memory for the rest of its time.
 */
function boundSilence(stream: ServerHttp2Stream, withinMs: number): void {
  if (stream.closed) return;
  stream.setTimeout(withinMs, () => stream.close(constants.NGHTTP2_CANCEL));
  const { destroy } = stream;
  stream.destroy = (error) => {
    stream.setTimeout(0);
    return destroy.call(stream, error);
  };
}

type Http2Parts = {
  readonly reading: Pick<Http2Reading, "read">;
  /** Called for each request that is not made of a stream. */
  readonly dropped: (why: "ended" | "refused") => void;
  /** Closes a connection for what its client sent. */
  readonly cutOff: (socket: Socket) => void;
};

/** Creates an HTTP/2 server that never listens: `take` gives it its connections. */
function createHttp2(limits: Limits, turns: RequestTurns, { reading, dropped, cutOff }: Http2Parts) {
  const streams = new Set<ServerHttp2Stream>();
  const connections = new WeakMap<Http2Session, Socket>();
  const handle = (request: Http2ServerRequest, response: Http2ServerResponse) => {
    boundArrival(request, limits.requestTimeoutMs);
    boundSilence(request.stream, limits.silenceMs);
    for (const emitter of [response, request.stream]) emitter.setMaxListeners(LISTENERS_MAX);
    streams.add(request.stream);
    // `close` is still to come even if the stream is closed: Node emits the request in an earlier tick.
    request.stream.once("close", () => {
      streams.delete(request.stream);
      wakeWriters(response);
    });
    turns.take(socketOf(request.stream), request, response);
  };
  const socketOf = ({ session }: ServerHttp2Stream) => (session && connections.get(session)) ?? LOST;
  const isCutOff = (stream: ServerHttp2Stream) => socketOf(stream).destroyed;
  const settings = { maxConcurrentStreams: limits.streamsMax, maxHeaderListSize: limits.headerBytesMax };
  // Node resets the stream of a request with more.
  const maxHeaderListPairs = HEADER_FIELDS_MAX + PSEUDO_HEADERS;
  const maxSessionMemory = SESSION_MEMORY_MAX_MB;
  const server = createHttp2Server(
    {
      ...{ settings, maxHeaderListPairs, maxSessionMemory },
      ...{ streamResetBurst: NODES_RESETS_MAX, streamResetRate: NODES_RESETS_MAX },
    },
    handle,
  );
  /** Of known callers. Unknown ones that ask on count like those that take their requests back. */
  const refused = new WeakSet<ServerHttp2Stream>();
  const isRefused = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    const full = turns.fullFor(socketOf(stream), headers);
    if (full === "account") refused.add(stream);
    return full !== undefined;
  };
  boundUnheard(server, { isCutOff, isRefused, dropped });
  server.on("checkContinue", (request: Http2ServerRequest, response: Http2ServerResponse) => {
    // Node's default does the same, but throws an uncaught error if the stream is closed.
    if (!request.stream.closed) response.writeContinue();
    handle(request, response);
  });
  // Node would answer these itself, without a log line. An expectation may be ignored (RFC 9110, 10.1.1).
  server.on("checkExpectation", handle).on("connect", handle);
  // A broken connection needs no handling; its requests end with it.
  server.on("sessionError", () => {});
  const sessions = createHttp2Sessions({
    firstStreamMs: limits.headersTimeoutMs,
    cutOff,
    isRefused: (stream) => refused.has(stream),
  });
  const sockets = new Set<Socket>();
  const destroying = destroyEnded(streams);
  return {
    take(socket: Socket) {
      // Node's HTTP/1.1 server allows half-open connections. An HTTP/2 client that ends its half has left.
      socket.allowHalfOpen = false;
      // The session is created synchronously by the `connection` event below.
      server.once("session", (session) => {
        session.on("stream", (_stream, _headers, _flags, raw) => reading.read(socket, raw.length / 2));
        sessions.add(session, socket);
        connections.set(session, socket);
      });
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      server.emit("connection", socket);
    },
    counters: () => ({
      http2: sockets.size,
      sessions: sessions.open(),
      streams: streams.size,
    }),
    drain: () => sessions.end(),
    destroy() {
      for (const socket of sockets) socket.destroy();
    },
    stop: () => clearInterval(destroying),
  };
}

/**
 * Reads a connection's first bytes, puts them back, and reports the protocol. Destroys a silent connection.
 */
function decide(socket: Socket, withinMs: number, decided: (isHttp2: boolean) => void): void {
  const destroy = () => socket.destroy();
  socket.setTimeout(withinMs, destroy);
  socket.on("error", destroy);
  // The client left without sending anything; waiting for the timeout would hold its place.
  socket.on("end", destroy);
  let start: Buffer = Buffer.alloc(0);
  const readStart = () => {
    const bytes: Buffer | null = socket.read();
    if (bytes === null) return;
    start = Buffer.concat([start, bytes]);
    const compared = Math.min(start.length, HTTP2_PREFACE_START.length);
    const fits = start.subarray(0, compared).equals(HTTP2_PREFACE_START.subarray(0, compared));
    if (fits && compared < HTTP2_PREFACE_START.length) return;
    socket.off("readable", readStart);
    socket.off("error", destroy);
    socket.off("end", destroy);
    socket.setTimeout(0);
    socket.off("timeout", destroy);
    // Only now: bytes that are put back are announced again, which would never end.
    socket.unshift(start);
    decided(fits);
  };
  socket.on("readable", readStart);
}
