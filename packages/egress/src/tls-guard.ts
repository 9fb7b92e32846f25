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
/** Bytes that wait for their turn before the socket is read no further: as many as it would buffer itself. */
const WAITING_BYTES_MAX = 65_536;

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
  /** Called before TLS reads bytes, with how many it has then read of the exchange that was the latest. */
  readonly onRead: (bytes: number) => void;
};

/**
 * Stands between a connection and TLS, so that a receiver's bytes are counted before they are read. OpenSSL
 * verifies certificates as it reads them, on this thread: with keys made for it, each takes ten times as long
 * as with others. So the bytes of handshakes are read in turns of their accounts.
 *
 * The first bytes after the handshake are read at once, and the others in turns, too: session tickets and
 * many small records are costly, and all that has arrived would be read in one turn of the event loop.
 *
 * The end of the connection waits behind bytes that wait: a receiver may answer and close at once. A paused
 * socket would not hold its end back.
 */
export class TlsGuard extends Duplex {
  readonly #socket: Socket;
  readonly #options: TlsGuardOptions;
  #handshakeBytes = 0;
  #isSecured = false;
  /** What has arrived and waits for its turn, in order. */
  readonly #waiting: { bytes: Buffer; readonly reads: TlsReads }[] = [];
  #waitingBytes = 0;
  /** Takes back the first piece's place in the line. */
  #takeBack: (() => void) | undefined;
  /** What the socket did after it sent what waits. */
  readonly #ends: (() => void)[] = [];

  constructor(socket: Socket, options: TlsGuardOptions) {
    super({ allowHalfOpen: false });
    this.#socket = socket;
    this.#options = options;
    socket.on("data", (bytes) => this.#receive(bytes));
    socket.once("end", () => this.#endAfterWaiting(() => this.push(null)));
    socket.once("error", (error) => this.#endAfterWaiting(() => this.destroy(error)));
    socket.once("close", () => {
      // The receiver did nothing: the attempt has ended, and what waits is of no use to it.
      if (this.#ends.length === 0) this.destroy();
      else this.#ends.push(() => this.destroy());
    });
    // Such a socket says nothing any more.
    if (socket.closed) this.destroy();
  }

  /** From now on, an exchange's first bytes are read at once. */
  endHandshake(): void {
    this.#isSecured = true;
  }

  #receive(bytes: Buffer): void {
    if (this.destroyed) return;
    const reads = this.#options.reads();
    if (this.#isSecured) {
      reads.securedBytes += bytes.length;
      if (reads.securedBytes <= CHEAP_BYTES && this.#waiting.length === 0) {
        this.#pass(bytes, reads);
        return;
      }
    } else {
      this.#handshakeBytes += bytes.length;
      if (this.#handshakeBytes > HANDSHAKE_BYTES_MAX) {
        this.destroy(new HandshakeTooLong());
        return;
      }
    }
    const last = this.#waiting.at(-1);
    if (last?.reads === reads && last.bytes.length + bytes.length <= SLICE_BYTES) {
      // Pieces of a few bytes would take up a hundred times as much memory.
      last.bytes = Buffer.concat([last.bytes, bytes]);
    } else {
      this.#waiting.push({ bytes, reads });
    }
    this.#waitingBytes += bytes.length;
    reads.waitingBytes += bytes.length;
    if (this.#waitingBytes >= WAITING_BYTES_MAX) this.#socket.pause();
    if (this.#takeBack === undefined) this.#waitForTurn();
  }

  #waitForTurn(): void {
    const [first] = this.#waiting;
    if (first === undefined) return;
    this.#takeBack = this.#options.turns.wait(first.reads, () => {
      const slice = first.bytes.subarray(0, this.#isSecured ? SLICE_BYTES : first.bytes.length);
      first.bytes = first.bytes.subarray(slice.length);
      if (first.bytes.length === 0) this.#waiting.shift();
      this.#waitingBytes -= slice.length;
      first.reads.waitingBytes -= slice.length;
      this.#takeBack = undefined;
      this.#waitForTurn();
      // TLS and the HTTP client read what has passed before the next turn of the event loop.
      if (this.#waiting.length === 0 && this.#ends.length > 0) setImmediate(() => this.#endNext());
      if (this.#waitingBytes < WAITING_BYTES_MAX) this.#socket.resume();
      this.#pass(slice, first.reads);
    });
  }

  /** Does what the socket did, once nothing waits before it. */
  #endAfterWaiting(end: () => void): void {
    if (this.#waiting.length === 0 && this.#ends.length === 0) end();
    else this.#ends.push(end);
  }

  #endNext(): void {
    this.#ends.shift()?.();
    if (this.#ends.length > 0) setImmediate(() => this.#endNext());
  }

  #pass(bytes: Buffer, reads: TlsReads): void {
    reads.bytes += bytes.length;
    this.#options.onRead(reads.bytes);
    if (!this.push(bytes)) this.#socket.pause();
  }

  override _read(): void {
    if (this.#waitingBytes < WAITING_BYTES_MAX) this.#socket.resume();
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#socket.write(bytes, this.#written(callback));
  }

  override _writev(pieces: { chunk: Buffer }[], callback: (error?: Error | null) => void): void {
    this.#socket.write(Buffer.concat(pieces.map(({ chunk }) => chunk)), this.#written(callback));
  }

  override _final(callback: () => void): void {
    this.#socket.end(this.#written(callback));
  }

  /** Returns a callback whose error, which ends the connection, waits behind bytes that wait, too. */
  #written(callback: (error?: Error | null) => void): (error?: Error | null) => void {
    return (error) => (error ? this.#endAfterWaiting(() => callback(error)) : callback());
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#takeBack?.();
    this.#waiting.splice(0);
    this.#ends.splice(0);
    this.#socket.destroy();
    callback(error);
  }
}
