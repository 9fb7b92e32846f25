import type { Socket } from "node:net";
import { duplexPair } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { fuzzing } from "@posthaste/testkit";
import fc from "fast-check";
import { Client } from "undici";
import { expect, test } from "vitest";
import { type Answer, AnswerReader } from "./answer.ts";
import { prepareParser } from "./response-parser.ts";

const HEADERS_BYTES_MAX = 16_384;
/** A tenth of what other properties have, because each run takes a connection of its own. */
const RUNS = { ...fuzzing(), numRuns: fuzzing().numRuns / 10 };

/** Has the pieces read as a response that ends with its connection. */
async function readFrom(pieces: readonly string[]): Promise<Answer | Error> {
  const [socket, receiver] = duplexPair();
  const client = new Client("http://yoursite.example", {
    connect: (_options, callback) => queueMicrotask(() => callback(null, socket as unknown as Socket)),
    pipelining: 1,
    useMilo: false,
  });
  client.once("connect", () => {
    prepareParser(socket as unknown as Socket, { headersBytesMax: HEADERS_BYTES_MAX, mayGoOn: () => true });
  });
  receiver
    .on("error", () => {})
    .once("data", async () => {
      for (const piece of pieces) {
        receiver.write(Buffer.from(piece, "latin1"));
        await setImmediate();
      }
      receiver.end();
    });
  try {
    return await new Promise((resolve) => {
      client.dispatch({ method: "POST", path: "/", body: "[{}]" }, new AnswerReader(resolve, resolve));
    });
  } finally {
    await client.destroy().catch(() => {});
  }
}

const NAMES = ["x-policy", "server", "connection", "keep-alive", "x"];
const word = fc.stringMatching(/^[!-9;-~\xa0-\xff]{1,8}$/);
const lineEnd = fc.constantFrom("\r\n", "\n");
const blanks = (minLength: number) =>
  fc.array(fc.constantFrom(" ", "\t"), { minLength, maxLength: 3 }).map((all) => all.join(""));
/** A fold, which may have lines of blanks. */
const fold = fc
  .tuple(blanks(0), fc.array(fc.tuple(lineEnd, blanks(1)), { minLength: 1, maxLength: 3 }))
  .map(([before, lines]) => `${before}${lines.flat().join("")}`);
/** A header as its name, its value's words, and how it is written. */
const header = (name: fc.Arbitrary<string>, value: fc.Arbitrary<readonly string[]>) =>
  fc
    .tuple(name, value, fc.array(fold, { minLength: 4, maxLength: 4 }), blanks(0), blanks(0), lineEnd)
    .map(([name, words, folds, beforeColon, atEnd, end]) => ({
      name,
      value: words.join(" "),
      written: `${name}${beforeColon}:${words.map((word, n) => `${folds[n]}${word}`).join("")}${atEnd}${end}`,
    }));
const anyHeader = header(fc.constantFrom(...NAMES), fc.array(word, { maxLength: 4 }));
const writtenOf = (headers: readonly { written: string }[]) => headers.map(({ written }) => written).join("");

/** Cuts a text in pieces at these places. */
function cut(text: string, places: readonly number[]): string[] {
  const at = [...new Set(places.map((place) => place % text.length))].sort((a, b) => a - b);
  return [0, ...at].map((from, n) => text.slice(from, at[n])).filter((piece) => piece !== "");
}
const places = fc.array(fc.nat(), { maxLength: 8 });

test("headers are read as they are meant, however they are folded and wherever they are cut", async () => {
  const all = [fc.array(anyHeader, { maxLength: 6 }), fc.array(anyHeader), lineEnd, lineEnd, places] as const;
  await fc.assert(
    fc.asyncProperty(...all, async (headers, trailers, end, last, at) => {
      const text =
        `HTTP/1.1 100 Continue${end}${writtenOf(headers)}${last}` +
        `HTTP/1.1 200 OK${end}${writtenOf(headers)}content-length: 2${end}${last}ok`;
      const pairs = [...headers.map(({ name, value }) => [name, value]), ["content-length", "2"]];
      expect(await readFrom(cut(text, at))).toMatchObject({ headers: pairs, body: Buffer.from("ok") });
      // Of what may be odd in a head, trailers may be folded.
      const folded = writtenOf(trailers)
        .replaceAll(/\r?\n/g, "\r\n")
        .replaceAll(/[ \t]+:/g, ":");
      const chunked = `HTTP/1.1 200 OK\r\ntransfer-encoding:${end} chunked\r\n\r\n2\r\nok\r\n0\r\n${folded}\r\n`;
      expect(await readFrom(cut(chunked, at))).toMatchObject({ body: Buffer.from("ok"), truncated: false });
    }),
    RUNS,
  );
});

test("a response with two lengths, or with a length and chunks, is none, however it is written", async () => {
  const length = (value: string) =>
    header(fc.constantFrom("content-length", "Content-Length"), fc.constant([value]));
  const chunked = header(
    fc.constant("transfer-encoding"),
    fc.constantFrom(["chunked"], ["gzip,", "chunked"]),
  );
  const pair = fc.oneof(fc.tuple(length("1"), length("2")), fc.tuple(length("2"), chunked));
  const all = fc
    .tuple(pair, fc.array(anyHeader, { maxLength: 3 }))
    .chain(([pair, others]) => fc.shuffledSubarray([...pair, ...others], { minLength: 2 + others.length }));
  await fc.assert(
    fc.asyncProperty(all, lineEnd, places, async (headers, end, at) => {
      const text = `HTTP/1.1 200 OK${end}${writtenOf(headers)}${end}2\r\nok\r\n0\r\n\r\n`;
      expect(await readFrom(cut(text, at))).toBeInstanceOf(Error);
    }),
    RUNS,
  );
});
