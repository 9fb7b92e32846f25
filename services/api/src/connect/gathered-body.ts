/** The largest block: some tens of them hold the largest message. */
const BLOCK_BYTES_MAX = 65_536;

/** Passes the pieces of a stream of messages on as they come: the client may wait for the answer to each. */
export async function* counted(
  body: AsyncIterable<Uint8Array>,
  onBytes: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const piece of body) {
    onBytes(piece.length);
    yield piece;
  }
}

/**
 * Joins the pieces of one message to blocks, each as large as all before it, up to {@link BLOCK_BYTES_MAX}.
 * Connect adds up all waiting pieces for each that arrives, so a message in pieces of a few bytes would cost
 * the square of their number. The first piece is passed on at once: it says how long the message is.
 *
 * @param onBytes called with the size of each piece as it arrives; may throw
 */
export async function* gathered(
  body: AsyncIterable<Uint8Array>,
  onBytes: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  let passedOn = 0;
  let block: Buffer | undefined;
  let filled = 0;
  for await (const piece of body) {
    onBytes(piece.length);
    let rest = piece;
    while (rest.length > 0) {
      const size = Math.min(BLOCK_BYTES_MAX, passedOn);
      if (block === undefined && rest.length >= size) {
        passedOn += rest.length;
        yield rest;
        break;
      }
      block ??= Buffer.allocUnsafe(size);
      const taken = Math.min(rest.length, block.length - filled);
      block.set(rest.subarray(0, taken), filled);
      filled += taken;
      rest = rest.subarray(taken);
      if (filled < block.length) continue;
      passedOn += block.length;
      yield block;
      block = undefined;
      filled = 0;
    }
  }
  if (block !== undefined) yield block.subarray(0, filled);
}
