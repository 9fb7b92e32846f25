import { once } from "node:events";
import { constants } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { readConfig } from "@posthaste/runtime";
import { countFrames, FRAME, headers, preface, rawSocket, reset } from "@posthaste/testkit/http2-frames";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ENDED_WAITING_MAX, HANDED_OVER_PER_TURN, LIMIT_SETTINGS, limitsFrom } from "../src/http/limits.ts";
import { createOnePort, type OnePort } from "../src/http/one-port.ts";
import { isOver } from "../src/http/when-over.ts";

type HandedOver = { readonly path: string | undefined; readonly isOver: boolean; readonly turn: number };

let port: OnePort;
let url: string;
/** The requests in the order in which they were handed over. */
let handedOver: HandedOver[];
/** The turn of the event loop. */
let turn: number;
let counting: NodeJS.Immediate;
const sockets: Socket[] = [];
beforeEach(async () => {
  handedOver = [];
  turn = 0;
  const count = () => {
    turn += 1;
    counting = setImmediate(count);
  };
  count();
  port = createOnePort(limitsFrom(readConfig(LIMIT_SETTINGS, {})), (request, response) => {
    handedOver.push({ path: request.url, isOver: isOver(response), turn });
    response.end();
  });
  port.server.listen(0, "127.0.0.1");
  await once(port.server, "listening");
  url = `http://127.0.0.1:${(port.server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  clearImmediate(counting);
  for (const socket of sockets.splice(0)) socket.destroy();
  port.destroy();
  await new Promise((resolve) => port.server.close(resolve));
});

/** Opens a connection whose preface the server has read. */
async function open(): Promise<Socket> {
  const socket = rawSocket(url);
  sockets.push(socket);
  const received = countFrames(socket);
  socket.write(preface());
  await expect.poll(() => received(FRAME.settings)).toBeGreaterThan(0);
  return socket;
}

/** As many as a connection may have streams. */
const MANY = 250;
const ids = Array.from({ length: MANY }, (_, i) => 2 * i + 1);
const get = (id: number, path: string) => headers(id, { ":method": "GET", ":path": path });
const many = () => Buffer.concat(ids.map((id) => get(id, `/${id}`)));

test("a request does not wait behind the many that another connection sends in one write", async () => {
  const [crowd, other] = [await open(), await open()];
  crowd.write(many());
  other.write(get(1, "/other"));
  await expect.poll(() => handedOver.length).toBe(MANY + 1);
  const paths = handedOver.map(({ path }) => path);
  expect(paths.indexOf("/other")).toBeLessThan(2 * HANDED_OVER_PER_TURN);
  expect(paths.filter((path) => path !== "/other")).toEqual(ids.map((id) => `/${id}`));
});

test("one turn of the event loop hands over a few requests of all connections", async () => {
  for (const socket of [await open(), await open()]) socket.write(many());
  await expect.poll(() => handedOver.length).toBe(2 * MANY);
  const ofTurns = Object.values(Object.groupBy(handedOver, (one) => one.turn));
  expect(Math.max(...ofTurns.map((ofTurn) => ofTurn?.length ?? 0))).toBe(HANDED_OVER_PER_TURN);
});

test("requests that end before their turn are handed over as ones that are over, and few wait", async () => {
  const connections = await Promise.all(Array.from({ length: ENDED_WAITING_MAX / MANY + 2 }, open));
  const cancelled = ids.map((id) => reset(id, constants.NGHTTP2_CANCEL));
  for (const socket of connections) socket.write(Buffer.concat([many(), ...cancelled]));
  let most = 0;
  const all = connections.length * MANY;
  while (handedOver.length < all) {
    await new Promise(setImmediate);
    most = Math.max(most, port.counters().waiting);
  }
  expect(most).toBeGreaterThan(HANDED_OVER_PER_TURN);
  expect(most).toBeLessThanOrEqual(ENDED_WAITING_MAX);
  expect(handedOver).toHaveLength(all);
  expect(handedOver.every((one) => one.isOver)).toBe(true);
  expect(port.counters()).toMatchObject({ waiting: 0, streams: 0 });
});

test("requests whose connection is lost before their turn are handed over as ones that are over", async () => {
  const socket = await open();
  socket.write(many());
  await expect.poll(() => handedOver.length, { interval: 0 }).toBeGreaterThan(0);
  port.destroy();
  await expect.poll(() => handedOver.length).toBe(MANY);
  expect(handedOver.at(-1)).toMatchObject({ isOver: true });
  await expect.poll(port.counters).toMatchObject({ waiting: 0, streams: 0, sessions: 0 });
});
