import type { Socket } from "node:net";
import { Client } from "undici";
import { type Answer, AnswerReader } from "./answer.ts";
import { classifyError } from "./classify-error.ts";
import { directly, endpoint, type Route, through } from "./connect.ts";

/** All headers of an answer together; Node's own default, written down. */
const RESPONSE_HEADERS_BYTES_MAX = 16_384;
/** How much sooner than a receiver says that it closes an idle connection it is closed here. */
const HINT_MARGIN_MS = 1_000;

export type Message = {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
};

export type ConnectionOptions = Omit<Route, "signal" | "onDialled"> & {
  /** Scheme, host and port: what its TLS is made out to and its requests are addressed to. */
  readonly origin: string;
  readonly proxy: URL | undefined;
  readonly idleMs: number;
  /** Told once when it is of no more use. */
  readonly onClosed: (connection: Connection) => void;
};

/**
 * The other end gave the connection up between two requests, and nothing came back to the one that was sent meanwhile:
 * most likely it was never read.
 */
export class WentStale extends Error {
  override readonly name = "WentStale";
}

/** One connection to one receiver, for one request at a time. It is made once, with its first request. */
export class Connection {
  readonly origin: string;
  /** By the clock that never goes back. */
  readonly madeAt: number;
  readonly #client: Client;
  readonly #connecting = new AbortController();
  #dialled: { readonly address: string; readonly port: number } | undefined;
  #socket: Socket | undefined;
  #answers = 0;

  constructor(options: ConnectionOptions, madeAt: number) {
    this.origin = options.origin;
    this.madeAt = madeAt;
    const route: Route = {
      ...options,
      signal: this.#connecting.signal,
      onDialled: (address, port) => {
        this.#dialled = { address, port };
      },
    };
    const connect = options.proxy === undefined ? directly(route) : through(options.proxy, route);
    let wasAsked = false;
    this.#client = new Client(options.origin, {
      connect: (target, callback) => {
        // undici would connect again when the other end has closed: to addresses that were checked a while ago.
        if (wasAsked) return callback(closed(), null);
        wasAsked = true;
        connect(target, (...[error, socket]) => {
          if (error !== null) return callback(error, null);
          this.#socket = socket;
          callback(null, socket);
        });
      },
      // The attempt's deadline is the only clock: another one would not know what it gives back.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: options.idleMs,
      keepAliveMaxTimeout: options.idleMs,
      keepAliveTimeoutThreshold: HINT_MARGIN_MS,
      maxHeaderSize: RESPONSE_HEADERS_BYTES_MAX,
      pipelining: 1,
    });
    this.#client.once("disconnect", () => options.onClosed(this));
  }

  /** The address that is at the other end; undefined where no connection came about. */
  get address(): string | undefined {
    return this.#dialled?.address;
  }

  /** The same with its port, for people. */
  get endpoint(): string | null {
    return this.#dialled === undefined ? null : endpoint(this.#dialled.address, this.#dialled.port);
  }

  /** Whether another request may go over it: it is open, and all of the one before has left. */
  get isFree(): boolean {
    return this.#socket !== undefined && !this.#socket.destroyed && this.#socket.writableLength === 0;
  }

  /** @throws WentStale, or what the HTTP client or the guard found */
  exchange({ path, headers, body }: Message): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const reader = new AnswerReader(
        (answer) => {
          this.#answers += 1;
          resolve(answer);
        },
        (error) => reject(this.#answers > 0 && !reader.hasBegun && isReset(error) ? new WentStale() : error),
      );
      this.#client.dispatch({ method: "POST", path, headers, body }, reader);
    });
  }

  destroy(): void {
    // Where the receiver closes each connection, the errors that these two make would cost as much as the request.
    if (this.#socket?.destroyed === true) return;
    if (this.#socket === undefined) this.#connecting.abort();
    this.#client.destroy().catch(() => {});
  }
}

function closed(): Error {
  return Object.assign(new Error("it was closed"), { code: "ECONNRESET" });
}

function isReset(error: Error): boolean {
  const classified = classifyError(error);
  return classified !== "fault" && classified.outcome === "reset";
}
