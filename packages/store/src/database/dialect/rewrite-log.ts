import { read } from "node:fs";
import { endianness } from "node:os";
import { promisify } from "node:util";

/** The sizes in a log, in bytes: https://sqlite.org/walformat.html. */
const HEADER_BYTES = 32;
const FRAME_HEAD_BYTES = 24;
/** The part of the log's header, and of a frame's, that its checksum covers. */
const HEADER_SUMMED_BYTES = 24;
const FRAME_SUMMED_BYTES = 8;
/** The first part of the shared memory that describes the log: its length and the checksum of its end. */
const INDEX_BYTES = 48;
/** Read and written at a time: a few hundred frames, which keep the process busy for about a millisecond. */
const CHUNK_BYTES = 1_048_576;

/** The log in memory is not what SQLite wrote: the operating system dropped pages that it could not write. */
export class LogDamaged extends Error {
  override readonly name = "LogDamaged";
}

/**
 * Writes the whole log to its file again, byte for byte, so that the next flush has all of it to write.
 *
 * The bytes come from the operating system's memory, which still has them after a flush that failed. Some
 * file systems drop them even from there. So the log is checked while it is read: its checksums are a chain,
 * and the last link is known from the memory that SQLite's processes share. The caller holds SQLite's write
 * lock, so nobody appends to the log or begins it anew.
 *
 * @param log the log's file
 * @param index the file of the shared memory
 * @throws LogDamaged
 */
export async function rewriteLog(
  log: number,
  index: number,
  write: (file: number, bytes: Uint8Array, position: number) => Promise<unknown>,
): Promise<void> {
  const { frames, pageBytes, salt, checksum } = await readIndex(index);
  if (frames === 0) return;
  const header = await readAt(log, 0, HEADER_BYTES);
  const isLittle = (header.readUInt32BE(0) & 1) === 0;
  const sum = chain(isLittle);
  sum.add(header, 0, HEADER_SUMMED_BYTES);
  require(sum.is(header.readUInt32BE(24), header.readUInt32BE(28)) && header.subarray(16, 24).equals(salt));
  await write(log, header, 0);
  const frameBytes = FRAME_HEAD_BYTES + pageBytes;
  const endAt = HEADER_BYTES + frames * frameBytes;
  const chunkBytes = Math.max(1, Math.floor(CHUNK_BYTES / frameBytes)) * frameBytes;
  for (let at = HEADER_BYTES; at < endAt; at += chunkBytes) {
    const chunk = await readAt(log, at, Math.min(chunkBytes, endAt - at));
    for (let frame = 0; frame < chunk.length; frame += frameBytes) {
      sum.add(chunk, frame, FRAME_SUMMED_BYTES);
      sum.add(chunk, frame + FRAME_HEAD_BYTES, pageBytes);
      require(chunk.subarray(frame + 8, frame + 16).equals(salt));
      require(sum.is(chunk.readUInt32BE(frame + 16), chunk.readUInt32BE(frame + 20)));
    }
    await write(log, chunk, at);
  }
  require(sum.is(...checksum));
}

/** What SQLite's processes agree on about the log. Numbers are in the machine's byte order. */
async function readIndex(index: number) {
  const bytes = await readAt(index, 0, INDEX_BYTES);
  const isLittle = endianness() === "LE";
  const long = (at: number) => (isLittle ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at));
  const short = isLittle ? bytes.readUInt16LE(14) : bytes.readUInt16BE(14);
  return {
    // A page of 65,536 bytes is written as 1.
    pageBytes: (short & 0xfe00) + ((short & 1) << 16),
    frames: long(16),
    checksum: [long(24), long(28)] as const,
    salt: bytes.subarray(32, 40),
  };
}

/** SQLite's checksum of all bytes added so far. */
function chain(isLittle: boolean) {
  let [first, second] = [0, 0];
  return {
    add(bytes: Buffer, from: number, count: number) {
      const view = new DataView(bytes.buffer, bytes.byteOffset + from, count);
      for (let at = 0; at < count; at += 8) {
        first = (first + view.getUint32(at, isLittle) + second) >>> 0;
        second = (second + view.getUint32(at + 4, isLittle) + first) >>> 0;
      }
    },
    is: (one: number, other: number) => first === one && second === other,
  };
}

function require(isIntact: boolean): void {
  if (isIntact) return;
  throw new LogDamaged(
    "the disk failed, and the system dropped commits that no caller was told of: kill every process of this database (SIGKILL: an orderly stop would copy the damage into the database), and start them again",
  );
}

async function readAt(file: number, position: number, count: number): Promise<Buffer> {
  const { bytesRead, buffer } = await promisify(read)(file, Buffer.alloc(count), 0, count, position);
  require(bytesRead === count);
  return buffer;
}
