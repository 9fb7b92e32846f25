import { AsyncLocalStorage } from "node:async_hooks";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import type { Compression } from "@connectrpc/connect/protocol";
import { brotliDecompress, gunzip, type Inflate } from "./inflate.ts";
import { createSlots } from "./slots.ts";

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
const callOver = new AsyncLocalStorage<AbortSignal>();
const gzipAsync = promisify(gzip);
const brotliAsync = promisify(brotliCompress);
const NOTHING = new Uint8Array(0);

/**
 * Makes a call whose answer is compressed only as long as somebody waits for it. That cannot be known of the
 * later messages of a stream; each of them is compressed when the one before it has been sent.
 */
export function compressUntil<T>(over: AbortSignal, call: () => T): T {
  return callOver.run(over, call);
}

/** A compression of messages. What it costs is not for the caller to choose. */
export type BoundedCompression = Compression & {
  /** Decompresses within bounds; `decompress` has none but a size. */
  readonly inflate: Inflate;
};

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
    decompress: async (bytes, bytesMax) => await inflate(bytes, { bytesMax, count() {}, over: undefined }),
    async compress(bytes) {
      const over = callOver.getStore();
      return await inSlot(async () => (over?.aborted === true ? NOTHING : await compress(bytes)));
    },
  };
}
