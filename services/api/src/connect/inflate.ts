import { type BrotliDecompress, createBrotliDecompress, createGunzip, type Gunzip } from "node:zlib";
import { Code, ConnectError } from "@connectrpc/connect";
import type { AccountId } from "@posthaste/domain";
import { createSlots } from "./slots.ts";

/** How much is decompressed, in bytes, before it is counted: a fraction of a millisecond of a thread. */
const PIECE_BYTES = 65_536;
/** Messages that are decompressed at once in this process: each is in memory twice when it is joined. */
const INFLATING_MAX = 4;

export type InflateBounds = {
  /** Whose turn it takes. */
  readonly accountId: AccountId;
  readonly bytesMax: number;
  /** Called with the size of each piece as it is decompressed; may throw. */
  readonly count: (bytes: number) => void;
  /** Aborts when nobody waits for the message any more. */
  readonly over: AbortSignal | undefined;
};

const inSlot = createSlots(INFLATING_MAX);

export type Inflate = (bytes: Uint8Array, bounds: InflateBounds) => Promise<Uint8Array<ArrayBuffer>>;
export const gunzip = inflateWith(() => createGunzip({ chunkSize: PIECE_BYTES }));
export const brotliDecompress = inflateWith(() => createBrotliDecompress({ chunkSize: PIECE_BYTES }));

/**
 * Returns what decompresses a message piece by piece, and no further than its bounds allow: a few kilobytes
 * may become megabytes.
 *
 * @throws what `count` throws; the signal's reason; ConnectError with the words that Connect itself uses
 */
function inflateWith(create: () => Gunzip | BrotliDecompress): Inflate {
  return async (bytes, bounds) => {
    // As Connect reads what is empty.
    if (bytes.length === 0) return new Uint8Array(0);
    const inflated = async () => {
      const inflater = create();
      // What the bounds throw is no error of the stream's.
      let unreadable: unknown;
      inflater.once("error", (error) => {
        unreadable = error;
      });
      inflater.end(bytes);
      try {
        return await joined(inflater, bounds);
      } catch (error) {
        if (error !== unreadable) throw error;
        throw new ConnectError("decompression failed", Code.InvalidArgument);
      }
    };
    return await inSlot(bounds.accountId, inflated, bounds.over);
  };
}

async function joined(pieces: AsyncIterable<Buffer<ArrayBuffer>>, { bytesMax, count, over }: InflateBounds) {
  const all: Buffer<ArrayBuffer>[] = [];
  let size = 0;
  // To leave the loop ends the stream.
  for await (const piece of pieces) {
    over?.throwIfAborted();
    size += piece.length;
    if (size > bytesMax) {
      const words = `message is larger than configured readMaxBytes ${bytesMax} after decompression`;
      throw new ConnectError(words, Code.ResourceExhausted);
    }
    count(piece.length);
    all.push(piece);
  }
  return Buffer.concat(all);
}
