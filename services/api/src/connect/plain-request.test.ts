import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { Code, ConnectError } from "@connectrpc/connect";
import { EventCatalogService } from "@posthaste/contracts/event_catalog";
import { EventIngestService } from "@posthaste/contracts/event_ingest";
import type { AccountId } from "@posthaste/domain";
import { describe, expect, test } from "vitest";
import { plainRequest } from "./plain-request.ts";
import type { Request } from "./wrap-handlers.ts";

const MIB = 1_048_576;
/** What the bodies of an account may hold in these tests. */
const ROOM_BYTES = MIB / 2;
/** Calls at once. */
const CALLS = 8;
/** As much as may be decompressed before it is counted. */
const PIECE_BYTES_MAX = 65_536;

const text = (bytes: number) => Buffer.from(`{"code":"invoice_sent"${" ".repeat(bytes - 23)}}`);

type Sent = Pick<Request, "method" | "url" | "header" | "body">;
const post = (headers: Record<string, string>, body: Buffer): Sent => ({
  method: "POST",
  url: "http://x/",
  header: new Headers(headers),
  body: (async function* () {
    yield body;
  })(),
});
function enveloped(body: Buffer): Buffer {
  const head = Buffer.from([1, 0, 0, 0, 0]);
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}
const quickly = (message: Buffer) =>
  brotliCompressSync(message, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } });
const WAYS: Readonly<Record<string, (message: Buffer) => Sent>> = {
  "in a body": (message) =>
    post({ "content-type": "application/json", "content-encoding": "gzip" }, gzipSync(message)),
  "in a body in brotli": (message) =>
    post({ "content-type": "application/json", "content-encoding": "br" }, quickly(message)),
  "in an envelope": (message) =>
    post({ "content-type": "application/grpc+json", "grpc-encoding": "gzip" }, enveloped(gzipSync(message))),
  "in a URL": (message) => ({
    method: "GET",
    url: `http://x/?encoding=json&compression=gzip&base64=1&message=${gzipSync(message).toString("base64url")}`,
    header: new Headers(),
    body: (async function* () {})(),
  }),
};

/** Reads a request. @returns the sizes of what was counted of it, as it was received and decompressed */
async function read(sent: Sent, over?: AbortSignal, room = Number.POSITIVE_INFINITY, atOnce = { held: 0 }) {
  const counted: number[] = [];
  const method = sent.method === "GET" ? EventCatalogService.method.getEventType : INGEST;
  const bounds = {
    accountId: 1 as AccountId,
    bytesMax: 6 * MIB,
    over,
    count(bytes: number) {
      counted.push(bytes);
      if (atOnce.held + bytes > room) throw new ConnectError("full", Code.ResourceExhausted);
      atOnce.held += bytes;
    },
    turn: async () => {},
  };
  let bytes = 0;
  let error: unknown;
  try {
    const signal = new AbortController().signal;
    const plain = await plainRequest({ httpVersion: "2", signal, ...sent } as Request, method, bounds);
    for await (const piece of plain.body as AsyncIterable<Uint8Array>) bytes += piece.length;
    if (sent.method === "GET") {
      const message = new URL(plain.url).searchParams.get("message") ?? "";
      bytes = Buffer.from(message, "base64url").length;
    }
  } catch (caught) {
    error = caught;
  }
  return { counted, bytes, error };
}
const INGEST = EventIngestService.method.ingestEvent;
const sum = (sizes: readonly number[]) => sizes.reduce((all, one) => all + one, 0);

describe.each(Object.entries(WAYS))("a compressed message %s", (name, sentAs) => {
  test("counts piece by piece while it is decompressed", async () => {
    const { counted, bytes, error } = await read(sentAs(text(MIB)));
    expect(error).toBeUndefined();
    expect(bytes).toBe(name === "in an envelope" ? MIB + 5 : MIB);
    expect(Math.max(...counted)).toBeLessThanOrEqual(PIECE_BYTES_MAX);
    expect(sum(counted)).toBeGreaterThanOrEqual(MIB);
  });

  test("is decompressed no further than its account has room, with others at once", async () => {
    const atOnce = { held: 0 };
    const calls = Array.from({ length: CALLS }, () =>
      read(sentAs(text(2 * MIB)), undefined, ROOM_BYTES, atOnce),
    );
    const reads = await Promise.all(calls);
    for (const { error } of reads) expect(error).toMatchObject({ rawMessage: "full" });
    // Of each, at most the piece that was refused is in addition.
    expect(sum(reads.flatMap(({ counted }) => counted))).toBeLessThanOrEqual(
      ROOM_BYTES + CALLS * PIECE_BYTES_MAX,
    );
  });

  test("that is over its maximum is refused, and decompressed no further", async () => {
    const { counted, error } = await read(sentAs(text(8 * MIB)));
    expect(error).toMatchObject({
      code: Code.ResourceExhausted,
      rawMessage: `message is larger than configured readMaxBytes ${6 * MIB} after decompression`,
    });
    expect(sum(counted)).toBeLessThan(6 * MIB + PIECE_BYTES_MAX);
  });

  test("whose caller has left is not decompressed", async () => {
    const over = AbortSignal.abort();
    const { counted, error } = await read(sentAs(text(MIB)), over);
    expect(error).toBe(over.reason);
    expect(sum(counted)).toBeLessThan(PIECE_BYTES_MAX);
  });
});
