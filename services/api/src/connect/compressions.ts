import { AsyncLocalStorage } from "node:async_hooks";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import type { ContextValues } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import { ANONYMOUS } from "../access/loop-turns.ts";
import { CALLER, OVER } from "./call-values.ts";
import { brotliDecompress, gunzip, type Inflate } from "./inflate.ts";
import { createSlots } from "./slots.ts";
import type { Answer } from "./wrap-handlers.ts";

/**
 * Smaller answers, in bytes, are not compressed: they fit into three packets, and to hand them to a thread
 * and back takes longer than to send them.
 */
export const COMPRESS_MIN_BYTES = 4_096;
/**
 * Answers that are compressed at once in this process: half of Node's threads, which also flush the database
 * and read files.
 */
const COMPRESSING_MAX = 2;
/**
 * 1 MiB of text takes 12 ms with gzip at level 1 and 6 ms with brotli at quality 1; either halves it. Level 6
 * takes 30 ms to save another 3 %. Brotli's default, 11, takes a second or more to save another third.
 */
const GZIP_LEVEL = 1;
const BROTLI_QUALITY = 1;

const inSlot = createSlots(COMPRESSING_MAX);
const callValues = new AsyncLocalStorage<ContextValues>();
const gzipAsync = promisify(gzip);
const brotliAsync = promisify(brotliCompress);

/**
 * Makes a call whose answer is compressed in its account's turn, and only as long as somebody waits for it.
 *
 * @param values of the call, with its signal and, once it is authorized, its caller
 */
export async function compressFor(values: ContextValues, call: () => Promise<Answer>): Promise<Answer> {
  const answer = await callValues.run(values, call);
  return answer.body === undefined ? answer : { ...answer, body: readFor(values, answer.body) };
}

/** Returns a body whose pieces are made as part of the call, whoever reads them. */
function readFor(values: ContextValues, body: NonNullable<Answer["body"]>): NonNullable<Answer["body"]> {
  return {
    [Symbol.asyncIterator]() {
      const pieces = body[Symbol.asyncIterator]();
      const { return: end, throw: fail } = pieces;
      return {
        next: async () => await callValues.run(values, () => pieces.next()),
        ...(end && { return: async (value) => await callValues.run(values, () => end.call(pieces, value)) }),
        ...(fail && { throw: async (error) => await callValues.run(values, () => fail.call(pieces, error)) }),
      };
    },
  };
}

/** A compression of messages. What it costs is not for the caller to choose. */
export type BoundedCompression = Compression & {
  /** Decompresses within bounds; `decompress` has none but a size. */
  readonly inflate: Inflate;
};

/** Returns whose call it is, and what aborts when nobody waits for it any more. */
function currentCall() {
  const values = callValues.getStore();
  return { accountId: values?.get(CALLER)?.token.accountId ?? ANONYMOUS, over: values?.get(OVER) };
}

export const COMPRESSIONS: readonly BoundedCompression[] = [
  compressionWith("gzip", gunzip, (bytes) => gzipAsync(bytes, { level: GZIP_LEVEL })),
  compressionWith("br", brotliDecompress, (bytes) =>
    brotliAsync(bytes, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY,
        [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
      },
    }),
  ),
];

function compressionWith(
  name: string,
  inflate: Inflate,
  compress: (bytes: Uint8Array) => Promise<Uint8Array<ArrayBuffer>>,
): BoundedCompression {
  return {
    name,
    inflate,
    decompress: async (bytes, bytesMax) => await inflate(bytes, { ...currentCall(), bytesMax, count() {} }),
    async compress(bytes) {
      const { accountId, over } = currentCall();
      return await inSlot(accountId, async () => await compress(bytes), over);
    },
  };
}
