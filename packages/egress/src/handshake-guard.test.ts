import type { Socket } from "node:net";
import { PassThrough } from "node:stream";
import type { AccountId } from "@posthaste/domain";
import { expect, test } from "vitest";
import { HandshakeGuard } from "./handshake-guard.ts";
import { createExchangeReads } from "./handshake-turns.ts";

const ACCOUNT = 7 as AccountId;

test("small pieces are measured once an exchange has many, and the next exchange begins anew", () => {
  const socket = new PassThrough();
  let reads = createExchangeReads(ACCOUNT);
  let measured = 0;
  const guard = new HandshakeGuard(socket as unknown as Socket, {
    reads: () => reads,
    turns: {
      wait: () => () => {},
      measure(_reads, read) {
        measured += 1;
        read();
        return false;
      },
    },
    onRead: () => {},
    onSlowRead: () => {},
  });
  guard.endHandshake();
  guard.resume();
  const receive = (pieces: number) => {
    for (let nth = 1; nth <= pieces; nth += 1) socket.emit("data", Buffer.alloc(1_000));
  };
  receive(2);
  expect(measured).toBe(0);
  receive(3);
  expect(measured).toBe(3);
  reads = createExchangeReads(ACCOUNT);
  receive(2);
  expect(measured).toBe(3);
  guard.destroy();
});
