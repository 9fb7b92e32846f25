import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import {
  constants,
  createServer as createHttp2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Stream,
} from "node:http2";
import type { Socket } from "node:net";
import { createHttp2Sessions } from "./http2-sessions.ts";
import type { Limits } from "./limits.ts";
import { destroyClosed, endUnheard, wakeWriters } from "./when-over.ts";

export type OnePort = {
  readonly server: Server;
  /** Lets requests in flight finish and takes no new ones on connections that are open. */
  drain(): void;
  /** Closes every connection, whatever is under way. */
  destroy(): void;
};

type Handler = (
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
) => void;

/**
 * How HTTP/2 without TLS begins (RFC 9113, section 3.4). No HTTP/1.1 method starts with these three letters.
 */
const HTTP2_PREFACE_START = Buffer.from("PRI");

/**
 * HTTP/1.1 and HTTP/2 (prior knowledge) on one plaintext port.
 *
 * Node speaks either on a port, not both. So the listener is Node's HTTP/1.1 server, with the function that
 * takes a new connection wrapped: the first bytes are looked at and put back, and the connection goes on to
 * that function or to an HTTP/2 server that never listens itself. The HTTP/1.1 server must stay the listener:
 * its timeouts for slow headers and requests are tied to its own connection list.
 */
export function createOnePort(limits: Limits, handler: Handler): OnePort {
  let draining = false;
  /** What is under way over HTTP/1.1, by its connection. */
  const inFlight = new Map<Socket, Set<ServerResponse>>();
  const handleHttp1 = (request: IncomingMessage, response: ServerResponse) => {
    // A broken connection is the client's affair here, too. From Node 24 on, handlers have taken their own
    // listeners off by the time that Node emits the error of a request behind another, and it would end the
    // process.
    request.on("error", () => {});
    const ofConnection = inFlight.get(request.socket);
    ofConnection?.add(response);
    response.once("close", () => {
      ofConnection?.delete(response);
      wakeWriters(response);
    });
    if (draining) response.setHeader("connection", "close");
    handler(request, response);
  };
  const server = createServer(
    {
      maxHeaderSize: limits.headerBytesMax,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: Math.max(limits.requestTimeoutMs, limits.headersTimeoutMs),
      connectionsCheckingInterval: Math.min(1_000, limits.headersTimeoutMs),
    },
    handleHttp1,
  );
  const streams = new Set<ServerHttp2Stream>();
  const handleHttp2 = (request: Http2ServerRequest, response: Http2ServerResponse) => {
    boundArrival(request, limits.requestTimeoutMs);
    streams.add(request.stream);
    // Still to come, even if the stream is closed: Node hands out the request in an earlier tick.
    request.stream.once("close", () => {
      streams.delete(request.stream);
      wakeWriters(response);
    });
    handler(request, response);
  };
  const http2 = createHttp2Server(
    {
      settings: {
        maxConcurrentStreams: limits.streamsMax,
        maxHeaderListSize: limits.headerBytesMax,
      },
    },
    handleHttp2,
  );
  http2.on("checkContinue", (request: Http2ServerRequest, response: Http2ServerResponse) => {
    // Without this listener Node does the same, but throws, where nobody catches it, if the stream is closed.
    if (!request.stream.closed) response.writeContinue();
    handleHttp2(request, response);
  });
  const sessions = createHttp2Sessions();
  const http2Sockets = new Set<Socket>();
  const takeHttp2 = (socket: Socket) => {
    // Node's HTTP/1.1 server leaves connections half open. An HTTP/2 client that ends its half has left.
    socket.allowHalfOpen = false;
    // The session is made while the event is handled.
    http2.once("session", (session) => sessions.add(session, socket));
    http2Sockets.add(socket);
    socket.once("close", () => http2Sockets.delete(socket));
    http2.emit("connection", socket);
  };
  // A broken connection is the client's affair; its requests end with it.
  http2.on("sessionError", () => {});

  const [takeHttp1] = server.listeners("connection");
  if (takeHttp1 === undefined) throw new Error("Node's HTTP server takes no connections");
  server.removeAllListeners("connection");
  server.maxConnections = limits.connectionsMax;
  const undecided = new Set<Socket>();
  server.on("connection", (socket) => {
    undecided.add(socket);
    socket.once("close", () => undecided.delete(socket));
    decide(socket, limits.headersTimeoutMs, (isHttp2) => {
      undecided.delete(socket);
      if (isHttp2) return takeHttp2(socket);
      const responses = new Set<ServerResponse>();
      inFlight.set(socket, responses);
      socket.once("close", () => {
        inFlight.delete(socket);
        endUnheard(responses);
      });
      takeHttp1.call(server, socket);
    });
  });

  const destroying = destroyClosed(streams);
  server.once("close", () => clearInterval(destroying));

  return {
    server,
    drain() {
      draining = true;
      for (const response of [...inFlight.values()].flatMap((responses) => [...responses])) {
        if (!response.headersSent) response.setHeader("connection", "close");
      }
      for (const socket of undecided) socket.destroy();
      sessions.end();
      server.closeIdleConnections();
    },
    destroy() {
      for (const socket of http2Sockets) socket.destroy();
      server.closeAllConnections();
    },
  };
}

/** What Node does for HTTP/1.1 by itself: a request whose body takes for ever is closed. */
function boundArrival(request: Http2ServerRequest, withinMs: number): void {
  const timer = setTimeout(() => request.stream.close(constants.NGHTTP2_CANCEL), withinMs);
  const settle = () => clearTimeout(timer);
  request.once("end", settle);
  request.stream.once("close", settle);
}

/**
 * Waits for the first bytes, puts them back, and says what they are. Silence is not waited for without end.
 */
function decide(socket: Socket, withinMs: number, decided: (isHttp2: boolean) => void): void {
  const destroy = () => socket.destroy();
  socket.setTimeout(withinMs, destroy);
  socket.on("error", destroy);
  // Left without a word: its half of the connection would keep a place until the time is over.
  socket.on("end", destroy);
  const look = () => {
    const start: Buffer | null = socket.read();
    if (start === null) return;
    socket.unshift(start);
    const compared = Math.min(start.length, HTTP2_PREFACE_START.length);
    const fits = start.subarray(0, compared).equals(HTTP2_PREFACE_START.subarray(0, compared));
    if (fits && compared < HTTP2_PREFACE_START.length) return;
    socket.off("readable", look);
    socket.off("error", destroy);
    socket.off("end", destroy);
    socket.setTimeout(0);
    socket.off("timeout", destroy);
    decided(fits);
  };
  socket.on("readable", look);
}
