import { EventEmitter, once } from "node:events";
import { IncomingMessage, ServerResponse } from "node:http";
import { constants } from "node:http2";
import { type AddressInfo, Socket } from "node:net";
import type { AccountId } from "@posthaste/domain";
import { readConfig } from "@posthaste/runtime";
import { countFrames, FRAME, headers, preface, rawSocket, reset } from "@posthaste/testkit/http2-frames";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createConnectionPlaces } from "../src/http/connection-places.ts";
import {
  ENDED_WAITING_MAX,
  KNOWN_PER_TURN,
  LIMIT_SETTINGS,
  limitsFrom,
  OTHERS_PER_TURN,
  RESETS_AT_ONCE_MAX,
  SHORT_TURN_SHARE,
  STRANGERS_MAX,
  WAITING_PER_ACCOUNT_MAX,
} from "../src/http/limits.ts";
import { createOnePort, type OnePort } from "../src/http/one-port.ts";
import type { ApiObserver } from "../src/http/request-line.ts";
import { createRequestTurns } from "../src/http/request-turns.ts";
import { isOver } from "../src/http/when-over.ts";

type HandedOver = {
  readonly path: string | undefined;
  readonly isOver: boolean;
  readonly turn: number;
};

const unobserved: ApiObserver = {
  ...{ completed: () => {}, ingested: () => {}, faulted: () => {}, unreadable: () => {} },
  ...{ dropped: () => {}, connectionClosed: () => {} },
};

/** The header of a caller who is known, by account; a number behind it is another token. */
const known = (account: number) => `Bearer ${account}`;

let port: OnePort;
let url: string;
/** The requests in the order in which they were handed over. */
let handedOver: HandedOver[];
/** Why requests were not handed over. */
let dropped: ("ended" | "refused")[];
/** Why connections were closed. */
let closedFor: string[];
/** The turn of the event loop. */
let turn: number;
let counting: NodeJS.Immediate;
const sockets: Socket[] = [];
beforeEach(async () => {
  [handedOver, dropped, closedFor] = [[], [], []];
  turn = 0;
  const count = () => {
    turn += 1;
    counting = setImmediate(count);
  };
  count();
  port = createOnePort({
    limits: limitsFrom(readConfig(LIMIT_SETTINGS, {})),
    handler: (request, response) => {
      handedOver.push({ path: request.url, isOver: isOver(response), turn });
      response.end();
    },
    probableAccount: (authorization) => {
      const account = /^Bearer (\d+)(?: \d+)?$/.exec(authorization ?? "")?.[1];
      return account === undefined ? undefined : (Number(account) as AccountId);
    },
    observer: {
      ...unobserved,
      dropped: (why) => dropped.push(why),
      connectionClosed: (why) => closedFor.push(why),
    },
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

/** Opens connections over HTTP/1.1, and returns what writes a request to each in one turn of the loop. */
async function openHttp1(count: number): Promise<(head: (i: number) => string, behind?: string) => Socket[]> {
  const opened = Array.from({ length: count }, () => rawSocket(url));
  sockets.push(...opened);
  // What the server has begun to read shows that the connection is known.
  for (const socket of opened) socket.write("GET ");
  await expect.poll(() => port.counters().http1).toBe(count);
  return (head, behind = "") => {
    for (const [i, socket] of opened.entries()) socket.write(`${head(i)}\r\n\r\n${behind}`);
    return opened;
  };
}

/** As many as a connection may have streams. */
const MANY = 250;
const ids = Array.from({ length: MANY }, (_, i) => 2 * i + 1);
const get = (id: number, path: string, fields = {}) =>
  headers(id, { ":method": "GET", ":path": path, ...fields });
const many = () => Buffer.concat(ids.map((id) => get(id, `/${id}`)));
const paths = () => handedOver.map(({ path }) => path);
/** The most requests that one turn handed over. */
const mostOfTurn = () =>
  Math.max(...Object.values(Object.groupBy(handedOver, (one) => one.turn)).map((all) => all?.length ?? 0));

test("a request does not wait behind the many that another connection sends in one write", async () => {
  const [crowd, other] = [await open(), await open()];
  crowd.write(many());
  other.write(get(1, "/other"));
  await expect.poll(() => handedOver.length).toBe(MANY + 1);
  expect(paths().indexOf("/other")).toBeLessThan(2 * OTHERS_PER_TURN);
  expect(paths().filter((path) => path !== "/other")).toEqual(ids.map((id) => `/${id}`));
});

test("a request that finds a place in its turn does not wait for the next", async () => {
  (await openHttp1(1))(() => "/ HTTP/1.1\r\nhost: a");
  while (handedOver.length === 0) {
    expect(port.counters().waiting).toBe(0);
    await new Promise(setImmediate);
  }
});

test("while connections arrive, a turn hands over few requests, so that the next one is accepted soon", async () => {
  const accepted: number[] = [];
  const crowd = await open();
  port.server.on("connection", () => accepted.push(turn));
  crowd.write(Buffer.concat(ids.map((id) => get(id, `/${id}`, { authorization: known(1) }))));
  sockets.push(...Array.from({ length: 20 }, () => rawSocket(url)));
  await expect.poll(() => [handedOver.length, accepted.length]).toEqual([MANY, 20]);
  const ofTurn = (one: number) => handedOver.filter((request) => request.turn === one).length;
  const afterAccepts = accepted.map((one) => ofTurn(one + 1));
  expect(Math.max(...afterAccepts)).toBe(KNOWN_PER_TURN * SHORT_TURN_SHARE);
  expect(mostOfTurn()).toBe(KNOWN_PER_TURN);
});

test("one turn of the event loop hands over a few requests of all connections over HTTP/2", async () => {
  for (const socket of [await open(), await open()]) socket.write(many());
  await expect.poll(() => handedOver.length).toBe(2 * MANY);
  expect(mostOfTurn()).toBe(OTHERS_PER_TURN);
});

test("one turn of the event loop hands over a few requests of all connections over HTTP/1.1", async () => {
  const write = await openHttp1(MANY);
  write((i) => `/${i} HTTP/1.1\r\nhost: a`);
  await expect.poll(() => handedOver.length).toBe(MANY);
  expect(mostOfTurn()).toBe(OTHERS_PER_TURN);
  expect(handedOver.every((one) => !one.isOver)).toBe(true);
  await expect.poll(port.counters).toMatchObject({ waiting: 0, responses: 0, http1: MANY });
});

test("both protocols share the turn, so that neither doubles what it hands over", async () => {
  const [write, http2] = [await openHttp1(MANY), await open()];
  write((i) => `/${i} HTTP/1.1\r\nhost: a`);
  http2.write(many());
  await expect.poll(() => handedOver.length).toBe(2 * MANY);
  expect(mostOfTurn()).toBe(OTHERS_PER_TURN);
});

test("a known caller's request does not wait behind the many without a token that came before", async () => {
  const socket = await open();
  const last = 2 * MANY - 1;
  const others = ids.filter((id) => id !== last).map((id) => get(id, `/${id}`));
  socket.write(Buffer.concat([...others, get(last, "/known", { authorization: known(1) })]));
  await expect.poll(() => handedOver.length).toBe(MANY);
  expect(paths().indexOf("/known")).toBeLessThan(2 * OTHERS_PER_TURN);
});

test("a health check does not wait behind the many requests that came before", async () => {
  const socket = await open();
  const last = 2 * MANY - 1;
  const others = ids.filter((id) => id !== last).map((id) => get(id, `/${id}`));
  socket.write(Buffer.concat([...others, get(last, "/healthz?from=proxy")]));
  await expect.poll(() => handedOver.length).toBe(MANY);
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
  const [crowd, other] = [await open(), await open()];
  const as = (account: number) => ({ authorization: known(account) });
  crowd.write(Buffer.concat(ids.map((id) => get(id, `/${id}`, as(1)))));
  other.write(get(1, "/other", as(2)));
  await expect.poll(() => handedOver.length).toBe(MANY + 1);
  expect(paths().indexOf("/other")).toBeLessThan(2 * KNOWN_PER_TURN);
  expect(mostOfTurn()).toBeLessThanOrEqual(KNOWN_PER_TURN);
});

test("the tokens of one account take turns, whatever the number of their requests", async () => {
  const [crowd, other] = [await open(), await open()];
  crowd.write(Buffer.concat(ids.map((id) => get(id, `/${id}`, { authorization: known(1) }))));
  other.write(get(1, "/other", { authorization: `${known(1)} 2` }));
  await expect.poll(() => handedOver.length).toBe(MANY + 1);
  expect(paths().indexOf("/other")).toBeLessThan(2 * KNOWN_PER_TURN);
});

test("of requests that end before their turn, few wait to be logged, and more are counted instead", async () => {
  const connections = await Promise.all(Array.from({ length: ENDED_WAITING_MAX / MANY + 2 }, open));
  const cancelled = ids.map((id) => reset(id, constants.NGHTTP2_CANCEL));
  for (const socket of connections) socket.write(Buffer.concat([many(), ...cancelled]));
  let most = 0;
  const all = connections.length * MANY;
  while (handedOver.length + dropped.length < all) {
    await new Promise(setImmediate);
    most = Math.max(most, port.counters().waiting);
  }
  expect(most).toBeGreaterThan(OTHERS_PER_TURN);
  expect(most).toBeLessThanOrEqual(ENDED_WAITING_MAX);
  expect(dropped.length).toBeGreaterThan(0);
  expect(new Set(dropped)).toEqual(new Set(["ended"]));
  expect(handedOver.length).toBeGreaterThanOrEqual(ENDED_WAITING_MAX);
  // Those that found a place in the turn in which they came had not ended.
  const begun = handedOver.filter((one) => !one.isOver);
  expect(begun.length).toBeLessThanOrEqual(connections.length * OTHERS_PER_TURN);
  expect(port.counters()).toMatchObject({ waiting: 0, streams: 0 });
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
    const socket = await open();
    const closed = new Promise((resolve) => socket.once("close", resolve));
    const storm = Array.from({ length: 1_000 }, (_, i) => 2 * i + 1).map((id) =>
      Buffer.concat([get(id, `/${id}`), reset(id, constants[code])]),
    );
    socket.write(Buffer.concat(storm));
    await closed;
    await expect.poll(port.counters).toMatchObject({ waiting: 0, streams: 0, sessions: 0 });
    // Node reads to the end of what has arrived, and none of that is handled.
    expect(handedOver.length).toBeLessThanOrEqual(RESETS_AT_ONCE_MAX + 10);
    expect(dropped.length).toBeGreaterThan(RESETS_AT_ONCE_MAX);
    expect(closedFor).toEqual(["resets"]);
  },
);

test("a client that begins with more frames than it may have streams loses its connection unread", async () => {
  const socket = rawSocket(url);
  const closed = new Promise((resolve) => socket.once("close", resolve));
  const storm = Array.from({ length: 200 }, (_, i) => 2 * i + 1).map((id) =>
    Buffer.concat([get(id, `/${id}`), reset(id, constants.NGHTTP2_CANCEL)]),
  );
  socket.write(Buffer.concat([preface(), ...storm]));
  await closed;
  expect([handedOver, dropped, closedFor]).toEqual([[], [], ["resets"]]);
  await expect.poll(port.counters).toMatchObject({ undecided: 0, http2: 0, sessions: 0 });
});

test("of one account, a thousand requests wait over HTTP/2, and its clients may try others again", async () => {
  const connections = await Promise.all(Array.from({ length: WAITING_PER_ACCOUNT_MAX / MANY + 2 }, open));
  const other = await open();
  const received = connections.map(countFrames);
  const heads = ids.map((id) => get(id, `/${id}`, { authorization: known(1) }));
  for (const socket of connections) socket.write(Buffer.concat(heads));
  other.write(get(1, "/other", { authorization: known(2) }));
  const all = connections.length * MANY + 1;
  await expect.poll(() => handedOver.length + dropped.length).toBe(all);
  expect(new Set(dropped)).toEqual(new Set(["refused"]));
  expect(handedOver.length).toBeGreaterThan(WAITING_PER_ACCOUNT_MAX);
  expect(paths()).toContain("/other");
  const resets = () => received.reduce((sum, count) => sum + count(FRAME.rstStream), 0);
  await expect.poll(resets).toBe(dropped.length);
});

test("connections over HTTP/2 on which no known caller has asked make room for each other alone", () => {
  const closed: string[] = [];
  const places = createConnectionPlaces(STRANGERS_MAX + 10, (why) => closed.push(why));
  const opened = Array.from({ length: STRANGERS_MAX + 3 }, () => new Socket());
  const [known, http1, first, second, ...rest] = opened;
  if (known === undefined || http1 === undefined || first === undefined || second === undefined) return;
  for (const socket of opened) expect(places.take(socket)).toBe(true);
  for (const socket of [known, first, second, ...rest.slice(0, -1)]) {
    places.addStranger(socket);
    if (socket === known) places.know(socket);
  }
  expect(closed).toEqual([]);
  places.touch(first);
  places.addStranger(rest.at(-1) as Socket);
  const gone = opened.filter(({ destroyed }) => destroyed);
  expect([gone.length, gone[0] === second, closed]).toEqual([1, true, ["idle"]]);
});

test("a stranger whose token has turned out to be good is none, even if its first call goes on", () => {
  const places = createConnectionPlaces(STRANGERS_MAX + 10, () => {});
  const opened = Array.from({ length: STRANGERS_MAX + 1 }, () => new Socket());
  for (const [i, socket] of opened.entries()) {
    places.take(socket);
    places.addStranger(socket);
    places.ask(socket, () => i < STRANGERS_MAX - 1);
    places.hold(socket, new EventEmitter());
  }
  expect(opened.filter(({ destroyed }) => destroyed)).toEqual([]);
});

test("strangers that all have a request in flight do not keep newcomers out", () => {
  const closed: string[] = [];
  const places = createConnectionPlaces(STRANGERS_MAX + 10, (why) => closed.push(why));
  const opened = Array.from({ length: STRANGERS_MAX + 1 }, () => new Socket());
  for (const socket of opened) {
    places.take(socket);
    places.addStranger(socket);
    places.hold(socket, new EventEmitter());
  }
  expect(opened.map(({ destroyed }) => destroyed)).toEqual(opened.map((_, i) => i === 0));
  expect(closed).toEqual(["full"]);
});

const crowds: Record<string, () => Promise<void>> = {
  "HTTP/2": async () => void (await open()).write(many()),
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
    await expect.poll(() => handedOver.length, { interval: 0 }).toBeGreaterThan(0);
    port.destroy();
    await expect.poll(() => handedOver.length).toBe(MANY);
    expect(handedOver.at(-1)).toMatchObject({ isOver: true });
    await expect
      .poll(port.counters)
      .toMatchObject({ waiting: 0, streams: 0, sessions: 0, responses: 0, http1: 0 });
  },
);

test("when the server has closed, no request is left to be handed over", async () => {
  const [write, http2] = [await openHttp1(MANY), await open()];
  write((i) => `/${i} HTTP/1.1\r\nhost: a`);
  http2.write(many());
  await expect.poll(() => handedOver.length, { interval: 0 }).toBeGreaterThan(0);
  const received = port.counters().responses + port.counters().streams + handedOver.length;
  port.server.close();
  port.destroy();
  await once(port.server, "close");
  expect(port.counters().waiting).toBe(0);
  expect(handedOver.length).toBeGreaterThanOrEqual(received);
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
  while (port.counters().waiting + handedOver.length < MANY) await new Promise(setImmediate);
  const waiting = port.counters().waiting;
  expect(waiting).toBeGreaterThan(0);
  port.server.close();
  port.drain();
  const received = await Promise.all(answers);
  expect(received.filter((answer) => answer.startsWith("HTTP/1.1 200 "))).toHaveLength(MANY);
  const closing = received.filter((answer) => /connection: close/i.test(answer));
  expect(closing.length).toBeGreaterThanOrEqual(waiting);
});
