import type { Socket } from "node:net";

/** How a receiver treats one request. */
export type Behaviour =
  /** Sends a complete response at once. */
  | {
      readonly kind: "status";
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string | Uint8Array;
    }
  /** Reads the request and never responds. */
  | { readonly kind: "hang" }
  /** Closes the connection without a response. */
  | { readonly kind: "close" }
  /** Resets the connection (TCP RST) in the middle of a response. */
  | { readonly kind: "reset" }
  /** Sends the status, then one byte of the body every `everyMs`, without end. */
  | { readonly kind: "drip"; readonly status: number; readonly everyMs: number }
  /** Sends the beginning of a response's headers, then nothing. */
  | { readonly kind: "slow_headers" }
  /** Sends a body of this many bytes, as fast as the client reads it. */
  | { readonly kind: "huge"; readonly status: number; readonly bytes: number }
  /** Sends the text, then the other text again and again, as fast as the client reads it. */
  | { readonly kind: "flood"; readonly text: string; readonly repeated: string }
  /** Sends bytes that are not HTTP. */
  | { readonly kind: "garbage" };

const CHUNK = Buffer.alloc(64 * 1024, "x");

/**
 * Plays a behaviour on a connection that has sent a complete request.
 *
 * @param tcp returns what the socket runs over, since TLS cannot be reset: without TLS, the socket itself;
 *   undefined if it has closed
 */
export function play(behaviour: Behaviour, socket: Socket, tcp: () => Socket | undefined): void {
  switch (behaviour.kind) {
    case "status": {
      const body = Buffer.from(behaviour.body ?? "");
      const headers = { "content-length": String(body.length), connection: "close", ...behaviour.headers };
      socket.write(head(behaviour.status, headers));
      socket.end(body);
      return;
    }
    case "hang":
      return;
    case "close":
      socket.end();
      return;
    case "reset":
      // The reset waits until the bytes are written, or it may overtake them.
      socket.write(`${head(200, { "content-length": "1000" })}partial`, () => tcp()?.resetAndDestroy());
      return;
    case "drip": {
      socket.write(head(behaviour.status, { "content-length": "1000000" }));
      const timer = setInterval(() => socket.write("."), behaviour.everyMs);
      socket.once("close", () => clearInterval(timer));
      return;
    }
    case "slow_headers":
      socket.write("HTTP/1.1 200 OK\r\nx-slow: ");
      return;
    case "huge":
      socket.write(head(behaviour.status, { "content-length": String(behaviour.bytes) }));
      pour(socket, behaviour.bytes);
      return;
    case "flood": {
      const { text, repeated } = behaviour;
      socket.write(text);
      pour(socket, Number.POSITIVE_INFINITY, Buffer.from(repeated.repeat(CHUNK.length / repeated.length)));
      return;
    }
    case "garbage":
      socket.end("SSH-2.0-OpenSSH_9.2\r\n\r\n");
      return;
  }
}

function pour(socket: Socket, bytes: number, from = CHUNK): void {
  if (socket.destroyed || bytes <= 0) return;
  const chunk = bytes < from.length ? from.subarray(0, bytes) : from;
  const rest = bytes - chunk.length;
  if (socket.write(chunk)) setImmediate(pour, socket, rest, from);
  else socket.once("drain", () => pour(socket, rest, from));
}

function head(status: number, headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} Test\r\n${lines.join("")}\r\n`;
}
