import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import type { AccountId } from "@posthaste/domain";
import { readConfig } from "@posthaste/runtime";
import { countFrames, FRAME, headers, preface, rawSocket } from "@posthaste/testkit/http2-frames";
import { expect } from "vitest";
import { LIMIT_SETTINGS, limitsFrom } from "../src/http/limits.ts";
import { createOnePort, type OnePort } from "../src/http/one-port.ts";
import { isOver } from "../src/http/when-over.ts";

/** A request that was read or handed over, and the turn of the event loop in which it was. */
export type Seen = { readonly path: string | undefined; readonly isOver: boolean; readonly turn: number };

export type TurnsPort = {
  readonly port: OnePort;
  readonly url: string;
  /** The requests in the order in which they were read, by their `Authorization` header. */
  readonly read: { readonly by: string | undefined; readonly turn: number }[];
  /** The requests in the order in which they were handed over. */
  readonly handedOver: Seen[];
  /** Why requests were not handed over. */
  readonly dropped: ("ended" | "refused")[];
  /** Why connections were closed. */
  readonly closedFor: string[];
  /** The server's ends of the connections, in the order in which they were accepted. */
  readonly accepted: readonly Socket[];
  /** Returns the turn of the event loop. */
  turn(): number;
  /** Opens a connection that has sent nothing. */
  connect(): Socket;
  /** Opens a connection over HTTP/2 whose preface the server has read. */
  open(): Promise<Socket>;
  stop(): Promise<void>;
};

/** As many as a connection may have streams. */
export const MANY = 250;
export const ids = Array.from({ length: MANY }, (_, i) => 2 * i + 1);
export const get = (id: number, path: string, fields = {}) =>
  headers(id, { ":method": "GET", ":path": path, ...fields });
/** The header of a caller who is known, by account; a number behind it is another token. */
export const known = (account: number) => `Bearer ${account}`;
/** The most of these that fell into one turn. */
export const mostOfTurn = (seen: readonly { readonly turn: number }[]) =>
  Math.max(...Object.values(Object.groupBy(seen, ({ turn }) => turn)).map((all) => all?.length ?? 0));

/**
 * Starts a port that answers each request at once, with as many `answer-bytes` as it asks for, unless it asks
 * for `/held`, and notes the turns of the event loop.
 */
export async function startTurnsPort(): Promise<TurnsPort> {
  const sockets: Socket[] = [];
  const read: { by: string | undefined; turn: number }[] = [];
  const handedOver: Seen[] = [];
  const dropped: ("ended" | "refused")[] = [];
  const closedFor: string[] = [];
  let turn = 0;
  let counting: NodeJS.Immediate;
  const count = () => {
    turn += 1;
    counting = setImmediate(count);
  };
  count();
  const port = createOnePort({
    limits: limitsFrom(readConfig(LIMIT_SETTINGS, {})),
    handler: (request, response) => {
      handedOver.push({ path: request.url, isOver: isOver(response), turn });
      if (request.url === "/held") return;
      response.end("x".repeat(Number(request.headers["answer-bytes"] ?? 0)));
    },
    probableAccount: (authorization) => {
      // Asked once of each request that is read.
      read.push({ by: authorization, turn });
      const account = /^Bearer (\d+)(?: \d+)?$/.exec(authorization ?? "")?.[1];
      return account === undefined ? undefined : (Number(account) as AccountId);
    },
    observer: {
      ...{ completed: () => {}, ingested: () => {}, faulted: () => {}, unreadable: () => {} },
      dropped: (why) => dropped.push(why),
      connectionClosed: (why) => closedFor.push(why),
    },
  });
  const accepted: Socket[] = [];
  port.server.on("connection", (socket) => accepted.push(socket));
  port.server.listen(0, "127.0.0.1");
  await once(port.server, "listening");
  const url = `http://127.0.0.1:${(port.server.address() as AddressInfo).port}`;
  const connect = () => {
    const socket = rawSocket(url);
    sockets.push(socket);
    return socket;
  };
  return {
    ...{ port, url, read, handedOver, dropped, closedFor, accepted, connect },
    turn: () => turn,
    async open() {
      const socket = connect();
      const received = countFrames(socket);
      socket.write(preface());
      await expect.poll(() => received(FRAME.settings)).toBeGreaterThan(0);
      return socket;
    },
    async stop() {
      clearImmediate(counting);
      for (const socket of sockets) socket.destroy();
      port.destroy();
      await new Promise((resolve) => port.server.close(resolve));
    },
  };
}
