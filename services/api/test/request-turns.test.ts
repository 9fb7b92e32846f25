import { once } from "node:events";
import { IncomingMessage, ServerResponse } from "node:http";
import { constants } from "node:http2";
import { Socket } from "node:net";
import { countFrames, FRAME, goaway, ping, preface, reset } from "@posthaste/testkit/http2-frames";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createConnectionPlaces } from "../src/http/connection-places.ts";
import {
  ENDED_WAITING_MAX,
  KNOWN_PER_TURN,
  OPENED_AT_ONCE_MAX,
  OTHERS_PER_TURN,
  OTHERS_WAITING_MAX,
  RESETS_AT_ONCE_MAX,
  SHORT_TURN_SHARE,
  WAITING_PER_ACCOUNT_MAX,
} from "../src/http/limits.ts";
import { createRequestTurns } from "../src/http/request-turns.ts";
import { get, ids, known, MANY, mostOfTurn, startTurnsPort, type TurnsPort } from "./turns-port.ts";

let served: TurnsPort;
beforeEach(async () => {
  served = await startTurnsPort();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await served.stop();
});

/** Stops the clock of the allowances, which a busy machine would refill meanwhile. */
function stopClock() {
  vi.spyOn(performance, "now").mockReturnValue(performance.now());
}

/** Opens connections over HTTP/1.1, and returns what writes a request to each in one turn of the loop. */
async function openHttp1(count: number): Promise<(head: (i: number) => string, behind?: string) => Socket[]> {
  const opened = Array.from({ length: count }, served.connect);
  // What the server has begun to read shows that the connection is known.
  for (const socket of opened) socket.write("GET ");
  await expect.poll(() => served.port.counters().http1).toBe(count);
  return (head, behind = "") => {
    for (const [i, socket] of opened.entries()) socket.write(`${head(i)}\r\n\r\n${behind}`);
    return opened;
  };
}

const many = () => Buffer.concat(ids.map((id) => get(id, `/${id}`)));
const paths = () => served.handedOver.map(({ path }) => path);
const mostHandedOver = () => mostOfTurn(served.handedOver);

test("a request does not wait behind the many that another connection sends in one write", async () => {
  const [crowd, other] = [await served.open(), await served.open()];
  crowd.write(many());
  other.write(get(1, "/other"));
  await expect.poll(() => served.handedOver.length).toBe(MANY + 1);
  // The crowd ends the turn in which it is read, and the other is read in the next.
  expect(paths().indexOf("/other")).toBeLessThan(3 * OTHERS_PER_TURN);
  expect(paths().filter((path) => path !== "/other")).toEqual(ids.map((id) => `/${id}`));
});

test("a request that finds a place in its turn does not wait for the next", async () => {
  (await openHttp1(1))(() => "/ HTTP/1.1\r\nhost: a");
  while (served.handedOver.length === 0) {
    expect(served.port.counters().waiting).toBe(0);
    await new Promise(setImmediate);
  }
});

test("while connections arrive, a turn hands over few requests, so that the next one is accepted soon", async () => {
  const accepted: number[] = [];
  const crowd = await served.open();
  served.port.server.on("connection", () => accepted.push(served.turn()));
  crowd.write(Buffer.concat(ids.map((id) => get(id, `/${id}`, { authorization: known(1) }))));
  for (let i = 0; i < 20; i++) served.connect();
  await expect.poll(() => [served.handedOver.length, accepted.length]).toEqual([MANY, 20]);
  const ofTurn = (one: number) => served.handedOver.filter((request) => request.turn === one).length;
  const afterAccepts = accepted.map((one) => ofTurn(one + 1));
  expect(Math.max(...afterAccepts)).toBe(KNOWN_PER_TURN * SHORT_TURN_SHARE);
  expect(mostHandedOver()).toBe(KNOWN_PER_TURN);
});

test("one turn of the event loop hands over a few requests of all connections over HTTP/2", async () => {
  for (const socket of [await served.open(), await served.open()]) socket.write(many());
  await expect.poll(() => served.handedOver.length).toBe(2 * MANY);
  expect(mostHandedOver()).toBe(OTHERS_PER_TURN);
});

test("one turn of the event loop hands over a few requests of all connections over HTTP/1.1", async () => {
  const write = await openHttp1(MANY);
  write((i) => `/${i} HTTP/1.1\r\nhost: a`);
  await expect.poll(() => served.handedOver.length).toBe(MANY);
  expect(mostHandedOver()).toBe(OTHERS_PER_TURN);
  expect(served.handedOver.every((one) => !one.isOver)).toBe(true);
  await expect.poll(served.port.counters).toMatchObject({ waiting: 0, responses: 0, http1: MANY });
});

test("both protocols share the turn, so that neither doubles what it hands over", async () => {
  const [write, http2] = [await openHttp1(MANY), await served.open()];
  write((i) => `/${i} HTTP/1.1\r\nhost: a`);
  http2.write(many());
  await expect.poll(() => served.handedOver.length).toBe(2 * MANY);
  expect(mostHandedOver()).toBe(OTHERS_PER_TURN);
});

test("a known caller's request does not wait behind the many without a token that came before", async () => {
  const socket = await served.open();
  const last = 2 * MANY - 1;
  const others = ids.filter((id) => id !== last).map((id) => get(id, `/${id}`));
  socket.write(Buffer.concat([...others, get(last, "/known", { authorization: known(1) })]));
  await expect.poll(() => served.handedOver.length).toBe(MANY);
  expect(paths().indexOf("/known")).toBeLessThan(2 * OTHERS_PER_TURN);
});

test("a health check does not wait behind the many requests that came before", async () => {
  const socket = await served.open();
  const last = 2 * MANY - 1;
  const others = ids.filter((id) => id !== last).map((id) => get(id, `/${id}`));
  socket.write(Buffer.concat([...others, get(last, "/healthz?from=proxy")]));
  await expect.poll(() => served.handedOver.length).toBe(MANY);
  expect(paths().indexOf("/healthz?from=proxy")).toBeLessThan(2 * OTHERS_PER_TURN);
});

test("connections whose requests wait for their turn make room for new ones, the oldest first", () => {
  const [begun, closed]: [ServerResponse[], string[]] = [[], []];
  const places = createConnectionPlaces(OTHERS_PER_TURN + 2, (why) => closed.push(why));
  const turns = createRequestTurns({
    handler: (_request, response) => begun.push(response as ServerResponse),
    probableAccount: () => undefined,
    places,
    dropped: () => {},
  });
  const opened = Array.from({ length: OTHERS_PER_TURN + 2 }, () => new Socket());
  for (const socket of opened) expect(places.take(socket)).toBe(true);
  // The last but one sends its request last.
  for (const socket of [...opened.slice(0, -2), opened.at(-1) as Socket, opened.at(-2) as Socket]) {
    const request = new IncomingMessage(socket);
    turns.take(socket, request, new ServerResponse(request));
  }
  expect([begun.length, turns.waiting()]).toEqual([OTHERS_PER_TURN, 2]);
  expect(places.take(new Socket())).toBe(true);
  expect(opened.map(({ destroyed }) => destroyed)).toEqual([...begun.map(() => false), false, true]);
  expect(closed).toEqual(["idle"]);
  turns.handOverAll();
  // Now all but the new one are being handled.
  expect(places.take(new Socket())).toBe(true);
  expect(places.take(new Socket())).toBe(true);
  expect(closed).toEqual(["idle", "idle", "idle"]);
});

test("known callers take turns by account, whatever the number of their connections", async () => {
  const [crowd, other] = [await served.open(), await served.open()];
  const as = (account: number) => ({ authorization: known(account) });
  crowd.write(Buffer.concat(ids.map((id) => get(id, `/${id}`, as(1)))));
  other.write(get(1, "/other", as(2)));
  await expect.poll(() => served.handedOver.length).toBe(MANY + 1);
  expect(paths().indexOf("/other")).toBeLessThan(3 * KNOWN_PER_TURN);
  expect(mostHandedOver()).toBeLessThanOrEqual(KNOWN_PER_TURN);
});

test("the tokens of one account take turns, whatever the number of their requests", async () => {
  const [crowd, other] = [await served.open(), await served.open()];
  crowd.write(Buffer.concat(ids.map((id) => get(id, `/${id}`, { authorization: known(1) }))));
  other.write(get(1, "/other", { authorization: `${known(1)} 2` }));
  await expect.poll(() => served.handedOver.length).toBe(MANY + 1);
  expect(paths().indexOf("/other")).toBeLessThan(3 * KNOWN_PER_TURN);
});

test("of requests that end before their turn, few wait to be logged, and more are counted instead", async () => {
  const connections = await Promise.all(Array.from({ length: ENDED_WAITING_MAX / MANY + 2 }, served.open));
  const cancelled = ids.map((id) => reset(id, constants.NGHTTP2_CANCEL));
  for (const socket of connections) socket.write(Buffer.concat([many(), ...cancelled]));
  let most = 0;
  const all = connections.length * MANY;
  while (served.handedOver.length + served.dropped.length < all) {
    await new Promise(setImmediate);
    most = Math.max(most, served.port.counters().waiting);
  }
  expect(most).toBeGreaterThan(OTHERS_PER_TURN);
  expect(most).toBeLessThanOrEqual(ENDED_WAITING_MAX);
  expect(served.dropped.length).toBeGreaterThan(0);
  expect(new Set(served.dropped)).toEqual(new Set(["ended"]));
  expect(served.handedOver.length).toBeGreaterThanOrEqual(ENDED_WAITING_MAX);
  // Those that found a place in the turn in which they came had not ended.
  const begun = served.handedOver.filter((one) => !one.isOver);
  expect(begun.length).toBeLessThanOrEqual(connections.length * OTHERS_PER_TURN);
  expect(served.port.counters()).toMatchObject({ waiting: 0, streams: 0 });
});

test.each([
  "NGHTTP2_NO_ERROR",
  "NGHTTP2_INTERNAL_ERROR",
  "NGHTTP2_STREAM_CLOSED",
  "NGHTTP2_CANCEL",
  "NGHTTP2_ENHANCE_YOUR_CALM",
] as const)(
  "a client that resets too many requests at once loses its connection, whatever its code: %s",
  async (code) => {
    stopClock();
    const socket = await served.open();
    const closed = new Promise((resolve) => socket.once("close", resolve));
    const storm = Array.from({ length: 2 * RESETS_AT_ONCE_MAX + 100 }, (_, i) => 2 * i + 1).map((id) =>
      Buffer.concat([get(id, `/${id}`), reset(id, constants[code])]),
    );
    socket.write(Buffer.concat(storm));
    await closed;
    await expect.poll(served.port.counters).toMatchObject({ waiting: 0, streams: 0, sessions: 0 });
    // Node reads to the end of what has arrived, and none of that is handled.
    expect(served.handedOver.length).toBeLessThanOrEqual(OPENED_AT_ONCE_MAX);
    expect(served.dropped.length).toBeGreaterThan(RESETS_AT_ONCE_MAX / 2);
    expect(served.closedFor).toEqual(["resets"]);
  },
);

test.each(["NGHTTP2_NO_ERROR", "NGHTTP2_REFUSED_STREAM", "NGHTTP2_CANCEL"] as const)(
  "a client that resets too many requests later loses its connection, whatever its code: %s",
  async (code) => {
    stopClock();
    const socket = await served.open();
    const received = countFrames(socket);
    for (let round = 0; round < RESETS_AT_ONCE_MAX / MANY + 2 && !socket.destroyed; round++) {
      const opened = ids.map((id) => id + 2 * MANY * round);
      socket.write(Buffer.concat([...opened.map((id) => get(id, "/held")), ping()]));
      // It has opened all of them, and none is answered.
      await expect.poll(() => socket.destroyed || received(FRAME.ping) > round).toBe(true);
      socket.write(Buffer.concat(opened.map((id) => reset(id, constants[code]))));
    }
    await expect.poll(() => served.closedFor).toEqual(["resets"]);
    await expect.poll(served.port.counters).toMatchObject({ waiting: 0, streams: 0, sessions: 0 });
  },
);

test("a client whose requests are refused keeps its connection", async () => {
  const crowd = await Promise.all(Array.from({ length: WAITING_PER_ACCOUNT_MAX / MANY + 3 }, served.open));
  const clients = crowd.map((socket) => ({ socket, received: countFrames(socket), sent: 0 }));
  const refused = () => Math.max(...clients.map(({ received }) => received(FRAME.rstStream)));
  for (let round = 0; refused() <= 2 * RESETS_AT_ONCE_MAX && round < 500; round++) {
    for (const client of clients) {
      const { socket, received, sent } = client;
      // No more than it may have open.
      const free = MANY - sent + received(FRAME.headers) + received(FRAME.rstStream);
      const next = Array.from({ length: free }, (_, i) => 2 * (sent + i) + 1);
      socket.write(Buffer.concat(next.map((id) => get(id, "/", { authorization: known(1) }))));
      client.sent += free;
    }
    await new Promise(setImmediate);
  }
  expect(refused()).toBeGreaterThan(2 * RESETS_AT_ONCE_MAX);
  expect([served.closedFor, crowd.filter(({ destroyed }) => destroyed)]).toEqual([[], []]);
});

test("a client that begins with more frames than it may have streams loses its connection unread", async () => {
  const socket = served.connect();
  const closed = new Promise((resolve) => socket.once("close", resolve));
  const storm = Array.from({ length: 200 }, (_, i) => 2 * i + 1).map((id) =>
    Buffer.concat([get(id, `/${id}`), reset(id, constants.NGHTTP2_CANCEL)]),
  );
  socket.write(Buffer.concat([preface(), ...storm]));
  await closed;
  expect([served.handedOver, served.dropped, served.closedFor]).toEqual([[], [], ["resets"]]);
  await expect.poll(served.port.counters).toMatchObject({ undecided: 0, http2: 0, sessions: 0 });
});

test("a client that says again and again that it goes is disconnected", async () => {
  const socket = await served.open();
  socket.write(Buffer.concat(Array.from({ length: 50 }, () => goaway())));
  await expect.poll(() => served.closedFor).toEqual(["resets"]);
  await expect.poll(served.port.counters).toMatchObject({ http2: 0, sessions: 0 });
});

test("a client that gives up a thousand requests at once keeps its connection", async () => {
  const socket = await served.open();
  const received = countFrames(socket);
  const all = Array.from({ length: RESETS_AT_ONCE_MAX }, (_, i) => 2 * i + 1);
  // What a client has open, and then each that waits for one of their places.
  const opened = all.slice(0, MANY);
  const cancelled = (id: number) => reset(id, constants.NGHTTP2_CANCEL);
  const later = all.slice(MANY).flatMap((id) => [get(id, `/${id}`), cancelled(id)]);
  socket.write(Buffer.concat([...opened.map((id) => get(id, `/${id}`)), ...opened.map(cancelled), ...later]));
  socket.write(get(2 * RESETS_AT_ONCE_MAX + 1, "/kept"));
  await expect.poll(paths).toContain("/kept");
  await expect.poll(() => received(FRAME.headers)).toBeGreaterThan(0);
  expect([served.closedFor, served.port.counters().http2]).toEqual([[], 1]);
});

test("unknown callers over HTTP/2 leave places to wait in to those who come next", async () => {
  const [other, ...crowd] = await Promise.all(
    Array.from({ length: OTHERS_WAITING_MAX / MANY + 6 }, served.open),
  );
  for (const socket of crowd) socket.write(many());
  await expect.poll(() => served.dropped.length, { interval: 0 }).toBeGreaterThan(0);
  other?.write(get(1, "/other"));
  await expect.poll(() => served.handedOver.length + served.dropped.length).toBe(crowd.length * MANY + 1);
  expect(paths()).toContain("/other");
  expect(new Set(served.dropped)).toEqual(new Set(["refused"]));
  expect(served.handedOver.length).toBeGreaterThan(OTHERS_WAITING_MAX / 2);
});

test("of one account, a thousand requests wait over HTTP/2, and its clients may try others again", async () => {
  const connections = await Promise.all(
    Array.from({ length: WAITING_PER_ACCOUNT_MAX / MANY + 2 }, served.open),
  );
  const other = await served.open();
  const received = connections.map(countFrames);
  const heads = ids.map((id) => get(id, `/${id}`, { authorization: known(1) }));
  for (const socket of connections) socket.write(Buffer.concat(heads));
  other.write(get(1, "/other", { authorization: known(2) }));
  const all = connections.length * MANY + 1;
  await expect.poll(() => served.handedOver.length + served.dropped.length).toBe(all);
  expect(new Set(served.dropped)).toEqual(new Set(["refused"]));
  expect(served.handedOver.length).toBeGreaterThan(WAITING_PER_ACCOUNT_MAX);
  expect(paths()).toContain("/other");
  const resets = () => received.reduce((sum, count) => sum + count(FRAME.rstStream), 0);
  await expect.poll(resets).toBe(served.dropped.length);
});

const crowds: Record<string, () => Promise<void>> = {
  "HTTP/2": async () => void (await served.open()).write(many()),
  "HTTP/1.1": async () => void (await openHttp1(MANY))((i) => `/${i} HTTP/1.1\r\nhost: a`),
  "HTTP/1.1, pipelined": async () =>
    void (await openHttp1(MANY / 2))(
      (i) => `/${i} HTTP/1.1\r\nhost: a`,
      "GET /behind HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
};
test.each(Object.entries(crowds))(
  "requests over %s whose connection is lost before their turn are handed over as ones that are over",
  async (_protocol, send) => {
    await send();
    await expect.poll(() => served.handedOver.length, { interval: 0 }).toBeGreaterThan(0);
    served.port.destroy();
    await expect.poll(() => served.handedOver.length).toBe(MANY);
    expect(served.handedOver.at(-1)).toMatchObject({ isOver: true });
    await expect
      .poll(served.port.counters)
      .toMatchObject({ waiting: 0, streams: 0, sessions: 0, responses: 0, http1: 0 });
  },
);

test("when the server has closed, no request is left to be handed over", async () => {
  const [write, http2] = [await openHttp1(MANY), await served.open()];
  write((i) => `/${i} HTTP/1.1\r\nhost: a`);
  http2.write(many());
  await expect.poll(() => served.handedOver.length, { interval: 0 }).toBeGreaterThan(0);
  const received =
    served.port.counters().responses + served.port.counters().streams + served.handedOver.length;
  served.port.server.close();
  served.port.destroy();
  await once(served.port.server, "close");
  expect(served.port.counters().waiting).toBe(0);
  expect(served.handedOver.length).toBeGreaterThanOrEqual(received);
});

test("requests that wait while the server drains are answered, and their connections then close", async () => {
  const write = await openHttp1(MANY);
  const answers = write((i) => `/${i} HTTP/1.1\r\nhost: a`).map(async (socket) => {
    let received = "";
    socket.on("data", (chunk) => {
      received += chunk;
    });
    await once(socket, "close");
    return received;
  });
  while (served.port.counters().waiting + served.handedOver.length < MANY) await new Promise(setImmediate);
  const waiting = served.port.counters().waiting;
  expect(waiting).toBeGreaterThan(0);
  served.port.server.close();
  served.port.drain();
  const received = await Promise.all(answers);
  expect(received.filter((answer) => answer.startsWith("HTTP/1.1 200 "))).toHaveLength(MANY);
  const closing = received.filter((answer) => /connection: close/i.test(answer));
  expect(closing.length).toBeGreaterThanOrEqual(waiting);
});
