import type { Socket } from "node:net";
import { PassThrough } from "node:stream";
import { setImmediate } from "node:timers/promises";
import type { AccountId } from "@posthaste/domain";
import { expect, test } from "vitest";
import { TlsGuard } from "./tls-guard.ts";
import { createTlsReads } from "./tls-turns.ts";

const ACCOUNT = 7 as AccountId;

/** A guard after its handshake, and the pieces that wait for their turn. */
async function secured() {
  const socket = new PassThrough();
  const exchange = { reads: createTlsReads(ACCOUNT) };
  const waiting: (() => void)[] = [];
  const guard = new TlsGuard(socket as unknown as Socket, {
    reads: () => exchange.reads,
    turns: {
      wait(_reads, read) {
        waiting.push(read);
        return () => waiting.splice(0);
      },
    },
    onRead: () => {},
  });
  guard.endHandshake();
  const passed: Buffer[] = [];
  guard.on("data", (bytes: Buffer) => passed.push(bytes));
  // The stream begins to flow in the next turn.
  await setImmediate();
  return { socket, guard, exchange, waiting, passed };
}

test("an exchange's bytes take turns beyond its first two thousand, and the next exchange begins anew", async () => {
  const { socket, guard, exchange, waiting, passed } = await secured();
  const receive = () => socket.emit("data", Buffer.alloc(1_000));
  receive();
  receive();
  expect(passed).toHaveLength(2);
  receive();
  expect([passed.length, waiting.length, socket.isPaused()]).toEqual([2, 1, true]);
  waiting.shift()?.();
  expect([passed.length, waiting.length, socket.isPaused()]).toEqual([3, 0, false]);
  exchange.reads = createTlsReads(ACCOUNT);
  receive();
  expect([passed.length, waiting.length]).toEqual([4, 0]);
  guard.destroy();
});

test("all that arrives at once takes as many turns as it is long, and none is lost", async () => {
  const { socket, guard, waiting, passed } = await secured();
  const sent = Buffer.from(Array.from({ length: 60_000 }, (_, i) => i % 251));
  socket.emit("data", sent);
  let turns = 0;
  for (let read = waiting.shift(); read !== undefined; read = waiting.shift()) {
    turns += 1;
    expect(socket.isPaused()).toBe(true);
    read();
    expect(Math.max(...passed.map(({ length }) => length))).toBeLessThanOrEqual(4_096);
  }
  expect(turns).toBe(15);
  expect(socket.isPaused()).toBe(false);
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
