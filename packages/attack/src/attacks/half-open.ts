import type { Socket } from "node:net";
import { headers, preface } from "@posthaste/testkit/http2-frames";
import { type Attack, every } from "../strike.ts";
import { headsOf } from "./routes.ts";

/** New connections: 50 a second. */
const EVERY_MS = 20;

const GET = "GET /api/docs HTTP/1.1\r\nhost: a\r\n\r\n";
const HALF = "POST /api/Webhook HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{";

type Silence = (socket: Socket, head: Parameters<typeof headers>[1]) => void;

/** Connections that say half of something, end one half of themselves, or do not read. */
const SILENCES: readonly [Silence, ...Silence[]] = [
  () => {},
  (socket) => socket.write("PRI * HT"),
  (socket) => socket.write(preface()),
  (socket) => socket.end(preface()),
  (socket, head) => socket.end(Buffer.concat([preface(0), headers(1, head, false), headers(3, head, true)])),
  (socket, head) => socket.write(Buffer.concat([preface(0), headers(1, head, false)])),
  (socket) => socket.write(GET.slice(0, 20)),
  (socket) => socket.end(GET),
  (socket) => socket.end(HALF),
  (socket) => socket.write(HALF, () => socket.resetAndDestroy()),
  (socket) => socket.write(GET.repeat(20), () => socket.resetAndDestroy()),
  (socket) => socket.end(GET.repeat(20)),
  (socket) => socket.pause().write(GET.repeat(20)),
];

export const halfOpen: Attack = async ({ target, random, signal, tally, open }) => {
  const heads = headsOf(target);
  for await (const _ of every(EVERY_MS, signal)) {
    const socket = open();
    if (socket === undefined) continue;
    tally.requests += 1;
    random.pick(SILENCES)(socket, random.pick(heads));
  }
};
