import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import type { ExchangeReads, HandshakeTurns } from "./handshake-turns.ts";

/**
 * The bytes that a receiver sends in a TLS handshake, at most. Nearly all of them are certificates: most
 * chains have 2 to 5 kB. A chain of four with RSA keys of 4,096 bits has 8 kB, a stapled OCSP response 2 kB,
 * and the key of a post-quantum key exchange 1 kB. OpenSSL reads up to 100 kB.
 */
export const HANDSHAKE_BYTES_MAX = 16_384;

/** So few bytes of an exchange are never costly, and most responses have no more. */
const CHEAP_BYTES = 2_048;

/** The receiver's handshake is longer than {@link HANDSHAKE_BYTES_MAX}. */
export class HandshakeTooLong extends Error {
  override readonly name = "HandshakeTooLong";
  constructor() {
    super(`the receiver's TLS handshake, which is mostly its certificates, is longer than ${KIB} KiB`);
  }
}
const KIB = HANDSHAKE_BYTES_MAX / 1_024;

export type HandshakeOptions = {
  readonly turns: HandshakeTurns;
  /** Returns the reads of the exchange that began last. The next may be another account's. */
  readonly reads: () => ExchangeReads;
  /** Called when bytes of the receiver have arrived, before TLS reads them. */
  readonly onRead: () => void;
  /** Called when an exchange's bytes after the handshake took long to read. */
  readonly onSlowRead: () => void;
};

/**
 * Stands between a connection and TLS, so that a receiver's bytes are counted before they are read. OpenSSL
 * verifies certificates as it reads them, on this thread: with keys made for it, each takes ten times as long
 * as with others. So the bytes of handshakes are read in turns of their accounts.
 *
 * Bytes after the handshake are read at once. Some of them are costly, too, such as session tickets, or many
 * small records.
 */
export class HandshakeGuard extends Duplex {
  readonly #socket: Socket;
  readonly #options: HandshakeOptions;
  #handshakeBytes = 0;
  #isSecured = false;
  /** Takes back the piece that waits for its turn. */
  #takeBack: (() => void) | undefined;

  constructor(socket: Socket, options: HandshakeOptions) {
    super({ allowHalfOpen: false });
    this.#socket = socket;
    this.#options = options;
    socket.on("data", (bytes) => this.#receive(bytes));
    socket.once("end", () => this.push(null));
    socket.once("error", (error) => this.destroy(error));
    socket.once("close", () => this.destroy());
  }

  /** From now on, bytes are read at once. */
  endHandshake(): void {
    this.#isSecured = true;
  }

  #receive(bytes: Buffer): void {
    const { turns, onRead, onSlowRead } = this.#options;
    onRead();
    if (this.destroyed) return;
    const pass = () => {
      if (!this.push(bytes)) this.#socket.pause();
    };
    const reads = this.#options.reads();
    if (this.#isSecured) {
      reads.bytes += bytes.length;
      if (reads.bytes <= CHEAP_BYTES) pass();
      else if (turns.measure(reads, pass)) onSlowRead();
      return;
    }
    this.#handshakeBytes += bytes.length;
    if (this.#handshakeBytes > HANDSHAKE_BYTES_MAX) {
      this.destroy(new HandshakeTooLong());
      return;
    }
    this.#socket.pause();
    this.#takeBack = turns.wait(reads.accountId, () => {
      this.#takeBack = undefined;
      this.#socket.resume();
      pass();
    });
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
