import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { PassThrough } from "node:stream";
import { buffer } from "node:stream/consumers";
import { setImmediate } from "node:timers/promises";
import type { AccountId } from "@posthaste/domain";
import { expect, test } from "vitest";
import { TlsGuard } from "./tls-guard.ts";
import { createTlsReads, type TlsTurns } from "./tls-turns.ts";

const ACCOUNT = 7 as AccountId;

/** A guard after its handshake, and the pieces that wait for their turn. */
async function secured() {
  const socket = new PassThrough();
  const exchange = { reads: createTlsReads(ACCOUNT) };
  const waiting: (() => void)[] = [];
  const read: number[] = [];
  const guard = new TlsGuard(socket as unknown as Socket, {
    reads: () => exchange.reads,
    turns: {
      wait(_reads, read) {
        waiting.push(read);
        return () => waiting.splice(0);
      },
    },
    onRead: (bytes) => read.push(bytes),
  });
  guard.endHandshake();
  const passed: Buffer[] = [];
  guard.on("data", (bytes: Buffer) => passed.push(bytes));
  // The stream begins to flow in the next turn.
  await setImmediate();
  return { socket, guard, exchange, waiting, passed, read };
}

test("an exchange's bytes take turns beyond its first two thousand, and the next exchange begins anew", async () => {
  const { socket, guard, exchange, waiting, passed, read } = await secured();
  const receive = () => socket.emit("data", Buffer.alloc(1_000));
  receive();
  receive();
  expect(passed).toHaveLength(2);
  receive();
  expect([passed.length, waiting.length]).toEqual([2, 1]);
  waiting.shift()?.();
  expect([passed.length, waiting.length]).toEqual([3, 0]);
  exchange.reads = createTlsReads(ACCOUNT);
  receive();
  expect([passed.length, waiting.length]).toEqual([4, 0]);
  // What waits is not read yet, and each exchange has its own count.
  expect(read).toEqual([1_000, 2_000, 3_000, 1_000]);
  guard.destroy();
});

test("all that arrives at once takes as many turns as it is long, and none is lost", async () => {
  const { socket, guard, waiting, passed } = await secured();
  const sent = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i % 251));
  socket.emit("data", sent.subarray(0, 60_000));
  expect(socket.isPaused()).toBe(false);
  socket.emit("data", sent.subarray(60_000));
  expect(socket.isPaused()).toBe(true);
  let turns = 0;
  for (let read = waiting.shift(); read !== undefined; read = waiting.shift()) {
    turns += 1;
    read();
    expect(Math.max(...passed.map(({ length }) => length))).toBeLessThanOrEqual(4_096);
  }
  // Each of the two pieces ends with a turn of its own.
  expect(turns).toBe(25);
  expect(socket.isPaused()).toBe(false);
  expect(Buffer.concat(passed).equals(sent)).toBe(true);
  guard.destroy();
});

/** A receiver that sends this in pieces, and then ends the connection; no turn comes for a while. */
async function answeredAndClosed(pieces: readonly Buffer[]) {
  const server = createServer(async (receiver) => {
    for (const piece of pieces) {
      receiver.write(piece);
      await setImmediate();
    }
    receiver.end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const isOver = once(socket, "close");
  socket.on("error", () => {});
  const lateTurns: (() => void)[] = [];
  const reads = createTlsReads(ACCOUNT);
  const turns: TlsTurns = {
    wait(_reads, read) {
      lateTurns.push(read);
      return () => {};
    },
  };
  const guard = new TlsGuard(socket, { turns, reads: () => reads, onRead: () => {} });
  guard.endHandshake();
  return { server, guard, isOver, lateTurns };
}

test.each([
  ["in one piece", [Buffer.alloc(3_000, "a")]],
  ["in several pieces", [Buffer.alloc(9_000, "a"), Buffer.alloc(2_000, "b"), Buffer.alloc(9_000, "c")]],
])(
  "an answer %s that waits for its turn is read although the receiver has closed since",
  async (_how, pieces) => {
    const { server, guard, isOver, lateTurns } = await answeredAndClosed(pieces);
    const read = buffer(guard);
    await isOver;
    expect(guard.readableEnded).toBe(false);
    for (let turn = lateTurns.shift(); turn !== undefined; turn = lateTurns.shift()) turn();
    expect((await read).equals(Buffer.concat(pieces))).toBe(true);
    await once(server.close(), "close");
  },
);

test("a guard over a connection that is closed already is closed, too", async () => {
  const socket = connect(1, "127.0.0.1").on("error", () => {});
  await new Promise((resolve) => socket.once("close", resolve));
  const { turns, reads } = { turns: { wait: () => () => {} }, reads: () => createTlsReads(ACCOUNT) };
  const guard = new TlsGuard(socket, { turns, reads, onRead: () => {} });
  await once(guard, "close");
});

test("small pieces that wait are kept as one, and their exchange knows how many bytes wait", async () => {
  const { socket, guard, exchange, waiting, passed } = await secured();
  const sent = Buffer.from(Array.from({ length: 10_000 }, (_, i) => i % 251));
  exchange.reads.securedBytes = 2_048;
  for (const byte of sent) socket.emit("data", Buffer.of(byte));
  expect(exchange.reads.waitingBytes).toBe(10_000);
  let turns = 0;
  for (let read = waiting.shift(); read !== undefined; read = waiting.shift()) {
    turns += 1;
    read();
  }
  expect(turns).toBe(3);
  expect(exchange.reads.waitingBytes).toBe(0);
  expect(Buffer.concat(passed).equals(sent)).toBe(true);
  guard.destroy();
});

test("a guard that is destroyed takes back what waits", async () => {
  const { socket, guard, waiting } = await secured();
  socket.emit("data", Buffer.alloc(60_000));
  expect(waiting).toHaveLength(1);
  guard.destroy();
  expect(waiting).toHaveLength(0);
});
