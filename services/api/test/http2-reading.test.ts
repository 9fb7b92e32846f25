import { constants } from "node:http2";
import { data, headers, preface, reset } from "@posthaste/testkit/http2-frames";
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
const paths = () => served.handedOver.map(({ path }) => path ?? "");

test("a turn of the event loop reads some hundred requests of all connections together", async () => {
  const crowd = await Promise.all(Array.from({ length: 8 }, served.open));
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
  const some = ids.slice(0, 100).map((id) => get(id, "/many"));
  const heavy = Array.from({ length: 12 }, served.connect);
  const light = served.connect();
  await expect.poll(() => served.port.counters().undecided).toBe(heavy.length + 1);
  for (const socket of heavy) socket.write(Buffer.concat([preface(), ...some]));
  light.write(Buffer.concat([preface(), get(1, "/few", { authorization: "light" })]));
  await expect.poll(() => served.handedOver.length).toBe(heavy.length * some.length + 1);
  expect(served.read.findIndex(({ by }) => by === "light")).toBeLessThan(2 * some.length);
});

test("a storm that arrives before its connection begins is closed unread", async () => {
  const upload = headers(1, { ":method": "POST", ":path": "/upload" }, false);
  const body = data(1, Buffer.alloc(6_000));
  const waiting = Array.from({ length: 4 }, served.connect);
  await expect.poll(() => served.port.counters().undecided).toBe(waiting.length);
  for (const socket of waiting) socket.write(Buffer.concat([preface(), upload, body]));
  while (served.port.counters().undecided > 0) await new Promise(setImmediate);
  const storm = Array.from({ length: 200 }, (_, i) => 2 * i + 3).flatMap((id) => [
    get(id, "/storm"),
    reset(id, constants.NGHTTP2_CANCEL),
  ]);
  waiting.at(-1)?.write(Buffer.concat(storm));
  await expect.poll(() => served.closedFor).toEqual(["resets"]);
  expect(served.read.length).toBeLessThan(waiting.length);
});
