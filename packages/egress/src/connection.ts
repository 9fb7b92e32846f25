import type { Socket } from "node:net";
import type { AccountId } from "@posthaste/domain";
import { Client } from "undici";
import { type Answer, AnswerReader } from "./answer.ts";
import { classifyError } from "./classify-error.ts";
import { directly, endpoint, type Route, through } from "./connect.ts";
import { prepareParser } from "./response-parser.ts";
import { createTlsReads, type TlsReads } from "./tls-turns.ts";

/**
 * All headers of an exchange, at most, with those of interim responses and trailers. Each costs several
 * microseconds, and 16 KiB of names and values could be 16,000 headers. Responses have 10 to 30. HAProxy and
 * Envoy, which stand before many receivers, let 100 through by default.
 */
export const RESPONSE_HEADERS_MAX = 200;
/** The size of all headers of a response, at most. The same as Node's default. */
export const RESPONSE_HEADERS_BYTES_MAX = 16_384;
/**
 * All bytes of a response that are read, at most; a longer body is cut off before. The headers and the kept
 * body have 16 KiB each. The rest is for extensions of chunks, TLS, and what comes with a long body's first
 * part.
 */
export const RESPONSE_BYTES_MAX = 131_072;
/** How long before the receiver's announced `keep-alive` timeout an idle connection is closed here. */
const HINT_MARGIN_MS = 1_000;

export type Message = {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** The account that the request is for. A connection may serve several, one after the other. */
  readonly accountId: AccountId;
};

export type ConnectionOptions = Omit<
  Route,
  "signal" | "onLack" | "onProxyReached" | "onDialled" | "reads" | "onRead"
> & {
  /** Scheme, host and port of the connection's requests. TLS verifies the certificate against this host. */
  readonly origin: string;
  readonly proxy: URL | undefined;
  readonly idleMs: number;
  /** Called once, when the connection has closed. */
  readonly onClosed: (connection: Connection) => void;
};

/**
 * The other end closed a reused connection before any part of the response arrived, or answered that the
 * request belongs over another one. Most likely it closed the idle connection and never read the request.
 */
export class WentStale extends Error {
  override readonly name = "WentStale";
}

/**
 * Over a reused connection, these say that the request belongs over another one: the receiver was about to
 * close it (408), or does not answer for the host there (421). RFC 9110, sections 15.5.9 and 15.5.20.
 */
const ON_ANOTHER_CONNECTION: ReadonlySet<number> = new Set([408, 421]);

/** What a connection through a proxy waits for. */
export type ProxyStage = "accept" | "tunnel" | "none";

/** One connection to one receiver, for one request at a time. It connects once, with its first request. */
export class Connection {
  readonly origin: string;
  /** When the connection was created, in milliseconds of a monotonic clock. */
  readonly madeAt: number;
  readonly #client: Client;
  readonly #connecting = new AbortController();
  #dialled: { readonly socket: Socket; readonly address: string; readonly port: number } | undefined;
  #socket: Socket | undefined;
  /** The bytes that had been read when the latest exchange began. */
  #bytesBefore = 0;
  /** The headers in the latest exchange. */
  #headers = 0;
  /** What TLS read in the latest exchange. The first begins before the connection does. */
  #reads!: TlsReads;
  #answers = 0;
  #proxyStage: ProxyStage;
  #lack: unknown;

  constructor(options: ConnectionOptions, madeAt: number) {
    this.origin = options.origin;
    this.madeAt = madeAt;
    this.#proxyStage = options.proxy === undefined ? "none" : "accept";
    const route: Route = {
      ...options,
      signal: this.#connecting.signal,
      onLack: (error) => {
        this.#lack = error;
      },
      onProxyReached: () => {
        this.#proxyStage = "tunnel";
      },
      onDialled: (socket, address, port) => {
        this.#proxyStage = "none";
        this.#lack = undefined;
        this.#dialled = { socket, address, port };
        // A tunnel may open in the same turn of the event loop in which the attempt ends.
        if (this.#connecting.signal.aborted) socket.destroy();
      },
      reads: () => this.#reads,
      onRead: (bytes) => this.#checkBytes(bytes),
    };
    const connect = options.proxy === undefined ? directly(route) : through(options.proxy, route);
    let hasConnected = false;
    this.#client = new Client(options.origin, {
      connect: (target, callback) => {
        // undici would reconnect after the other end has closed, to addresses that were checked some time
        // ago.
        if (hasConnected) return callback(closed(), null);
        hasConnected = true;
        connect(target, (...[error, socket]) => {
          if (error !== null) return callback(error, null);
          this.#socket = socket;
          callback(null, socket);
        });
      },
      // The attempt's deadline is the only timeout, because it may be extended.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: options.idleMs,
      keepAliveMaxTimeout: options.idleMs,
      keepAliveTimeoutThreshold: HINT_MARGIN_MS,
      maxHeaderSize: RESPONSE_HEADERS_BYTES_MAX,
      pipelining: 1,
      // The other parser has no headers to count (`response-parser.ts`).
      useMilo: false,
    });
    this.#client.once("disconnect", () => options.onClosed(this));
    this.#client.once("connect", () => {
      if (this.#socket === undefined) return;
      prepareParser(this.#socket, {
        headersBytesMax: RESPONSE_HEADERS_BYTES_MAX,
        mayGoOn: () => this.#countHeader(),
      });
      if (options.origin.startsWith("https:")) return;
      // After undici's own listener, so that a body that is cut off is not counted, however fast it arrives.
      const { socket } = this.#dialled ?? {};
      this.#socket.on("readable", () => this.#checkBytes((socket?.bytesRead ?? 0) - this.#bytesBefore));
    });
  }

  /** What the connection waits for from its proxy: that it accepts, or that it opens the tunnel. */
  get proxyStage(): ProxyStage {
    return this.#proxyStage;
  }

  /** What this machine lacks for an address, while there is no connection yet; undefined: nothing. */
  get lack(): unknown {
    return this.#lack;
  }

  /** The remote address; undefined if no connection was established. */
  get address(): string | undefined {
    return this.#dialled?.address;
  }

  /** The remote address and port, for people; null if no connection was established. */
  get endpoint(): string | null {
    return this.#dialled === undefined ? null : endpoint(this.#dialled.address, this.#dialled.port);
  }

  /**
   * Whether another request may use the connection: it is open, the previous request has been written, and
   * nothing that arrived since waits for its turn to be read. That could be the receiver's end or a response
   * to no request, and the turn is that of the previous request's account.
   */
  get isFree(): boolean {
    const socket = this.#socket;
    if (socket === undefined || socket.destroyed) return false;
    return socket.writableLength === 0 && this.#reads.waitingBytes === 0;
  }

  /**
   * Sends a POST and returns its response.
   *
   * @throws WentStale if the request may be repeated over a new connection; otherwise, an error of the HTTP
   *   client, or TargetBlocked
   */
  exchange({ path, headers, body, accountId }: Message): Promise<Answer> {
    this.#bytesBefore = this.#dialled?.socket.bytesRead ?? 0;
    this.#headers = 0;
    this.#reads = createTlsReads(accountId);
    return new Promise((resolve, reject) => {
      const reader = new AnswerReader(
        (answer) => {
          this.#answers += 1;
          if (this.#answers === 1 || !ON_ANOTHER_CONNECTION.has(answer.status)) return resolve(answer);
          this.destroy();
          reject(new WentStale());
        },
        (error) => reject(this.#answers > 0 && !reader.hasBegun && isEnd(error) ? new WentStale() : error),
      );
      this.#client.dispatch({ method: "POST", path, headers, body }, reader);
    });
  }

  /**
   * Closes the connection if too much was read since the latest exchange began. The parser counts the bytes
   * of headers and bodies alone: a receiver could send it other bytes, such as extensions of chunks or, also
   * between two responses, empty lines, and keep the process from doing anything else. With TLS, the bytes
   * below it count, before they are read: new keys and tickets cost even more, and never reach the parser.
   */
  #checkBytes(bytes: number): void {
    if (bytes <= RESPONSE_BYTES_MAX) return;
    this.#refuse("the response has too many bytes beside its headers and body");
  }

  /** Closes the connection if the latest exchange has too many headers; returns whether it may go on. */
  #countHeader(): boolean {
    this.#headers += 1;
    if (this.#headers <= RESPONSE_HEADERS_MAX) return true;
    this.#refuse(`the response has more than ${RESPONSE_HEADERS_MAX} headers`);
    return false;
  }

  #refuse(message: string): void {
    const socket = this.#socket ?? this.#dialled?.socket;
    socket?.destroy(Object.assign(new Error(message), { code: "TOO_MUCH_FRAMING" }));
  }

  destroy(): void {
    // If the receiver closes every connection, the errors of the calls below would cost as much as the
    // request.
    if (this.#socket?.destroyed === true) return;
    if (this.#socket === undefined) {
      this.#connecting.abort();
      // undici would let a handshake go on, and it would take turns.
      this.#dialled?.socket.destroy();
    }
    this.#client.destroy().catch(() => {});
  }
}

function closed(): Error {
  return Object.assign(new Error("the connection was closed"), { code: "ECONNRESET" });
}

/** Returns whether the other end ended the connection: it closed it, or sent an alert of TLS. */
function isEnd(error: Error): boolean {
  const classified = classifyError(error);
  return classified !== "fault" && (classified.outcome === "reset" || classified.outcome === "tls");
}
