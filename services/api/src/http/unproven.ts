import type { IncomingMessage, ServerResponse } from "node:http";
import { constants, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { RequestLine } from "./request-line.ts";
import { whenOver } from "./when-over.ts";

export type Response = ServerResponse | Http2ServerResponse;

/** A request and its response. */
type Exchange = {
  readonly request: IncomingMessage | Http2ServerRequest;
  readonly response: Response;
  readonly line: RequestLine;
};

/** Places of requests that no account answers for, such as those without a good token. */
export type UnprovenPlaces = {
  /**
   * Takes a place until the request is over, or until its account's place replaces it (`line.leavePlace`).
   *
   * @returns false if every place is taken by a request that the server works on
   */
  take(request: FastifyRequest, reply: FastifyReply): boolean;
  /** Returns how many are taken. */
  taken(): number;
};

/**
 * Creates places that nobody can hold by being slow. If none is free, the oldest request that waits for its
 * caller is cut off, and its place is free.
 *
 * Without that, whoever takes no answer would hold a place for minutes: by a window of 0 bytes over HTTP/2,
 * or by a socket that is not read.
 *
 * @param waits whether the next step is the caller's
 */
export function createUnprovenPlaces(max: number, waits: (exchange: Exchange) => boolean): UnprovenPlaces {
  /** The oldest first. */
  const exchanges = new Set<Exchange>();
  const makeRoom = () => {
    if (exchanges.size < max) return;
    for (const exchange of exchanges) {
      if (!waits(exchange)) continue;
      exchanges.delete(exchange);
      return cutOff(exchange.response);
    }
  };
  return {
    take({ raw: request, line }, { raw: response }) {
      makeRoom();
      if (exchanges.size >= max) return false;
      const exchange = { request, response, line };
      exchanges.add(exchange);
      line.leavePlace = () => void exchanges.delete(exchange);
      whenOver(response, line.leavePlace);
      return true;
    },
    taken: () => exchanges.size,
  };
}

/** Tells whether an answer has begun, so that its caller is to take it. A stream has places of its own. */
export function waitsForTaking({ response, line }: Exchange): boolean {
  return response.headersSent && line.isStream !== true;
}

/** Tells whether a body is still to arrive. */
export function waitsForBody({ request, line }: Exchange): boolean {
  if (line.isStream === true) return false;
  return "stream" in request
    ? !(request.stream.endAfterHeaders || request.stream.readableEnded)
    : !request.complete;
}

export function cutOff(response: Response): void {
  if (!("stream" in response)) return void response.destroy();
  response.stream.close(constants.NGHTTP2_CANCEL);
  response.stream.destroy();
}
