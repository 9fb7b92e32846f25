import { connect, type Socket } from "node:net";

/**
 * HTTP/2 frames (RFC 9113), for tests that control when each byte is sent, which client libraries do not
 * allow.
 */
export const FRAME = {
  data: 0,
  headers: 1,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
} as const;

const HEAD_BYTES = 9;
const END_STREAM = 1;
const END_HEADERS = 4;
const INITIAL_WINDOW_SIZE = 4;
/** The longest string whose length fits into the first byte of an HPACK length. */
const STRING_BYTES_MAX = 126;

export type Head = Readonly<Record<string, string>>;

/**
 * The start of a connection. @param windowBytes the flow-control window of each answer; default: the
 * protocol's
 */
export function preface(windowBytes = 65_535): Buffer {
  const setting = Buffer.alloc(6);
  setting.writeUInt16BE(INITIAL_WINDOW_SIZE);
  setting.writeUInt32BE(windowBytes, 2);
  return Buffer.concat([
    Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    frame(FRAME.settings, 0, 0, setting),
  ]);
}

/** HEADERS that open a stream; adds `:scheme` and `:authority`. */
export function headers(stream: number, head: Head, end = true): Buffer {
  const fields = Object.entries({ ":scheme": "http", ":authority": "x", ...head });
  const block = Buffer.concat(fields.map(([name, value]) => literal(name, value)));
  return frame(FRAME.headers, END_HEADERS | (end ? END_STREAM : 0), stream, block);
}

export function data(stream: number, bytes: Uint8Array, end = false): Buffer {
  return frame(FRAME.data, end ? END_STREAM : 0, stream, bytes);
}

export function reset(stream: number, code: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(code);
  return frame(FRAME.rstStream, 0, stream, payload);
}

/** A client's GOAWAY. */
export function goaway(): Buffer {
  return frame(FRAME.goaway, 0, 0, Buffer.alloc(8));
}

/** A PING, which the server acknowledges once it has read what came before. */
export function ping(): Buffer {
  return frame(FRAME.ping, 0, 0, Buffer.alloc(8));
}

/** Lets the server send this many more bytes on the connection; at first it may send 65,535. */
export function windowUpdate(bytes: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes);
  return frame(FRAME.windowUpdate, 0, 0, payload);
}

/** A message in the envelope of Connect's streams. */
export function enveloped(json: string): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(Buffer.byteLength(json), 1);
  return Buffer.concat([head, Buffer.from(json)]);
}

/**
 * Opens a socket to a server. Drops everything it receives, and ignores errors, because the tests cause them.
 */
export function rawSocket(url: string): Socket {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.on("error", () => {});
  socket.resume();
  return socket;
}

/** Counts the frames of each type that a socket receives from now on. */
export function countFrames(socket: Socket): (type: number) => number {
  const counts = new Map<number, number>();
  let rest = Buffer.alloc(0);
  socket.on("data", (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    while (rest.length >= HEAD_BYTES && rest.length >= HEAD_BYTES + rest.readUIntBE(0, 3)) {
      const type = rest.readUInt8(3);
      counts.set(type, (counts.get(type) ?? 0) + 1);
      rest = rest.subarray(HEAD_BYTES + rest.readUIntBE(0, 3));
    }
  });
  return (type) => counts.get(type) ?? 0;
}

function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A header field without indexing (RFC 7541, section 6.2.2). */
function literal(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([0]), text(name), text(value)]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  if (bytes.length > STRING_BYTES_MAX) throw new Error(`too long for this writer: ${value}`);
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
}
