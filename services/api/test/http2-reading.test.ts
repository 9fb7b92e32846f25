import { constants } from "node:http2";
import type { Socket } from "node:net";
import { data, preface, reset, windowUpdate } from "@posthaste/testkit/http2-frames";
import { afterEach, beforeEach, expect, test } from "vitest";
import { READ_PER_TURN } from "../src/http/limits.ts";
import { get, ids, MANY, mostOfTurn, startTurnsPort, type TurnsPort } from "./turns-port.ts";

let served: TurnsPort;
beforeEach(async () => {
  served = await startTurnsPort();
});
afterEach(() => served.stop());

/** Returns so many requests that Node takes several turns to read them, as it reads 64 KiB in each. */
const long = (name: string) => Buffer.concat(ids.map((id) => get(id, `/${name}/${id}`, PADDING)));
const PADDING = Object.fromEntries(["a", "b", "c", "d", "e", "f"].map((field) => [field, "x".repeat(100)]));
/** Opens connections that the server has accepted, and on which nothing was sent. */
async function accepted(count: number): Promise<Socket[]> {
  const sockets = Array.from({ length: count }, served.connect);
  await expect.poll(() => served.port.counters().undecided).toBe(count);
  return sockets;
}
/** What a client sends first that has to wait behind those that send less. */
const some = ids.slice(0, 30).map((id) => get(id, "/some"));
const much = Buffer.concat([preface(), ...some]);
const paths = () => served.handedOver.map(({ path }) => path ?? "");

test("a turn of the event loop reads some hundred requests of all connections together", async () => {
  const crowd = await Promise.all(Array.from({ length: 3 }, served.open));
  for (const socket of crowd) socket.write(Buffer.concat(ids.map((id) => get(id, "/"))));
  await expect.poll(() => served.read.length).toBe(crowd.length * MANY);
  // Node reads to the end of what it has.
  expect(mostOfTurn(served.read)).toBeLessThanOrEqual(READ_PER_TURN + MANY);
});

test("a request with a hundred header fields counts as several", async () => {
  const crowd = await Promise.all(Array.from({ length: 4 }, served.open));
  const fields = Object.fromEntries(Array.from({ length: 90 }, (_, i) => [`x${i}`, ""]));
  const few = ids.slice(0, READ_PER_TURN / 4);
  for (const socket of crowd) socket.write(Buffer.concat(few.map((id) => get(id, "/", fields))));
  await expect.poll(() => served.read.length).toBe(crowd.length * few.length);
  expect(mostOfTurn(served.read)).toBeLessThan(2 * few.length);
});

test("no connection is read twice while another waits to be read", async () => {
  const crowd = await Promise.all(Array.from({ length: 4 }, served.open));
  const other = await served.open();
  for (const [i, socket] of crowd.entries()) socket.write(long(`${i}`));
  other.write(get(1, "/other"));
  await expect.poll(() => served.handedOver.length).toBe(crowd.length * MANY + 1);
  // Each of the crowd has one turn before it, and its first requests are handed over meanwhile.
  const before = paths().slice(0, paths().indexOf("/other"));
  expect(before.length).toBeLessThan(MANY / 2);
});

test("a connection that is read in several turns loses nothing", async () => {
  const crowd = await Promise.all(Array.from({ length: 3 }, served.open));
  for (const [i, socket] of crowd.entries()) socket.write(long(`${i}`));
  await expect.poll(() => served.handedOver.length).toBe(crowd.length * MANY);
  for (const i of crowd.keys()) {
    const ofOne = paths().filter((path) => path.startsWith(`/${i}/`));
    expect(ofOne).toEqual(ids.map((id) => `/${i}/${id}`));
  }
  expect(served.dropped).toEqual([]);
});

test("a client that leaves while it waits to be read is noticed", async () => {
  const crowd = await Promise.all(Array.from({ length: 6 }, served.open));
  for (const [i, socket] of crowd.entries()) {
    socket.write(long(`${i}`));
    if (i % 2 === 0) socket.end();
    else setImmediate(() => socket.resetAndDestroy());
  }
  await expect.poll(served.port.counters).toMatchObject({ http2: 0, sessions: 0, streams: 0, waiting: 0 });
});

test("a new connection begins before those that have sent much", async () => {
  const many = ids.slice(0, 100).map((id) => get(id, "/many"));
  const [light, ...heavy] = await accepted(13);
  for (const socket of heavy) socket.write(Buffer.concat([preface(), ...many]));
  light?.write(Buffer.concat([preface(), get(1, "/few", { authorization: "light" })]));
  await expect.poll(() => served.handedOver.length).toBe(heavy.length * many.length + 1);
  expect(served.read.findIndex(({ by }) => by === "light")).toBeLessThan(2 * many.length);
});

test("a storm that arrives before its connection begins is closed unread", async () => {
  const waiting = await accepted(4);
  for (const socket of waiting) socket.write(much);
  while (served.port.counters().http2 === 0) await new Promise(setImmediate);
  const storm = Array.from({ length: 200 }, (_, i) => 2 * (some.length + i) + 1).flatMap((id) => [
    get(id, "/storm"),
    reset(id, constants.NGHTTP2_CANCEL),
  ]);
  waiting.at(-1)?.write(Buffer.concat(storm));
  await expect.poll(() => served.closedFor).toEqual(["resets"]);
  expect(served.read.length).toBeLessThan(waiting.length * some.length);
});

test("a client that takes no answers is not read, whatever a crowd does", async () => {
  const silent = served.connect();
  silent.pause();
  const most = 2 ** 31 - 1;
  silent.write(Buffer.concat([preface(most), windowUpdate(most - 65_535)]));
  // Their answers fill what the system keeps for the client, so that Node reads nothing more of it.
  const asked = ids.slice(0, 100).map((id) => get(id, "/", { "answer-bytes": "100000" }));
  silent.write(Buffer.concat(asked));
  await expect.poll(() => served.handedOver.length).toBe(asked.length);
  const [server] = served.accepted;
  for (let n = 0; n < 20; n++) silent.write(data(1, Buffer.alloc(10_000)));
  await expect.poll(() => silent.writableLength).toBe(0);
  const read = server?.bytesRead ?? 0;
  const crowd = await served.open();
  for (let round = 0; round < 5; round++) {
    crowd.write(Buffer.concat(ids.map((id) => get(500 * round + id, "/crowd"))));
    await expect.poll(() => served.handedOver.length).toBe(asked.length + (round + 1) * MANY);
  }
  // The system may take some more of its answers meanwhile.
  expect(server?.bytesRead).toBeLessThan(read + 2 * 65_536);
  expect(server?.destroyed).toBe(false);
});

test("a connection that waits to begin when the server drains is closed", async () => {
  const waiting = await accepted(6);
  for (const socket of waiting) socket.write(much);
  while (served.port.counters().http2 === 0) await new Promise(setImmediate);
  expect(served.port.counters().undecided).toBeGreaterThan(0);
  served.port.server.close();
  served.port.drain();
  await expect.poll(served.port.counters).toMatchObject({ undecided: 0, http2: 0, sessions: 0 });
  expect(waiting.length * some.length).toBeGreaterThan(served.read.length);
});

test("a client that left before its connection begins is not served", async () => {
  const waiting = await accepted(6);
  for (const socket of waiting) socket.end(much);
  await expect.poll(served.port.counters).toMatchObject({ undecided: 0, http2: 0, sessions: 0, waiting: 0 });
  expect(served.read.length).toBeLessThan(waiting.length * some.length);
});
