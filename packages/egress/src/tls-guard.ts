import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import type { TlsReads, TlsTurns } from "./tls-turns.ts";

/**
 * The bytes that a receiver sends in a TLS handshake, at most. Nearly all of them are certificates: most
 * chains have 2 to 5 kB. A chain of four with RSA keys of 4,096 bits has 8 kB, a stapled OCSP response 2 kB,
 * and the key of a post-quantum key exchange 1 kB. OpenSSL reads up to 100 kB.
 */
export const HANDSHAKE_BYTES_MAX = 16_384;

/** So few bytes of an exchange are never costly, and most responses have no more. */
const CHEAP_BYTES = 2_048;
/** Bytes after the handshake that are read in one turn: 2 ms if they are session tickets, the costliest. */
const SLICE_BYTES = 4_096;

/** The receiver's handshake is longer than {@link HANDSHAKE_BYTES_MAX}. */
export class HandshakeTooLong extends Error {
  override readonly name = "HandshakeTooLong";
  constructor() {
    super(`the receiver's TLS handshake, which is mostly its certificates, is longer than ${KIB} KiB`);
  }
}
const KIB = HANDSHAKE_BYTES_MAX / 1_024;

export type TlsGuardOptions = {
  readonly turns: TlsTurns;
  /** Returns the reads of the exchange that began last. The next may be another account's. */
  readonly reads: () => TlsReads;
  /** Called when bytes of the receiver have arrived, before TLS reads them. */
  readonly onRead: () => void;
};

/**
 * Stands between a connection and TLS, so that a receiver's bytes are counted before they are read. OpenSSL
 * verifies certificates as it reads them, on this thread: with keys made for it, each takes ten times as long
 * as with others. So the bytes of handshakes are read in turns of their accounts.
 *
 * The first bytes after the handshake are read at once, and the others in turns, too: session tickets and
 * many small records are costly, and all that has arrived would be read in one turn of the event loop.
 */
export class TlsGuard extends Duplex {
  readonly #socket: Socket;
  readonly #options: TlsGuardOptions;
  #handshakeBytes = 0;
  #isSecured = false;
  /** Takes back the piece that waits for its turn. */
  #takeBack: (() => void) | undefined;

  constructor(socket: Socket, options: TlsGuardOptions) {
    super({ allowHalfOpen: false });
    this.#socket = socket;
    this.#options = options;
    socket.on("data", (bytes) => this.#receive(bytes));
    socket.once("end", () => this.push(null));
    socket.once("error", (error) => this.destroy(error));
    socket.once("close", () => this.destroy());
  }

  /** From now on, an exchange's first bytes are read at once. */
  endHandshake(): void {
    this.#isSecured = true;
  }

  #receive(bytes: Buffer): void {
    this.#options.onRead();
    if (this.destroyed) return;
    const reads = this.#options.reads();
    if (this.#isSecured) {
      reads.bytes += bytes.length;
      if (reads.bytes <= CHEAP_BYTES) this.#pass(bytes);
      else this.#passInTurns(bytes, reads);
      return;
    }
    this.#handshakeBytes += bytes.length;
    if (this.#handshakeBytes > HANDSHAKE_BYTES_MAX) this.destroy(new HandshakeTooLong());
    else this.#passInTurns(bytes, reads);
  }

  #passInTurns(bytes: Buffer, reads: TlsReads): void {
    this.#socket.pause();
    const sliceBytes = this.#isSecured ? SLICE_BYTES : bytes.length;
    this.#takeBack = this.#options.turns.wait(reads, () => {
      this.#takeBack = undefined;
      const rest = bytes.subarray(sliceBytes);
      if (rest.length > 0) this.#passInTurns(rest, reads);
      else this.#socket.resume();
      this.#pass(bytes.subarray(0, sliceBytes));
    });
  }

  #pass(bytes: Buffer): void {
    if (!this.push(bytes)) this.#socket.pause();
  }

  override _read(): void {
    if (this.#takeBack === undefined) this.#socket.resume();
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#socket.write(bytes, callback);
  }

  override _writev(pieces: { chunk: Buffer }[], callback: (error?: Error | null) => void): void {
    this.#socket.write(Buffer.concat(pieces.map(({ chunk }) => chunk)), callback);
  }

  override _final(callback: () => void): void {
    this.#socket.end(callback);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#takeBack?.();
    this.#socket.destroy();
    callback(error);
  }
}
