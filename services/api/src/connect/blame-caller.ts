import { Code, type ConnectRouter } from "@connectrpc/connect";
import { codeFromString, codeToString } from "@connectrpc/connect/protocol-connect";

type Handler = ConnectRouter["handlers"][number];
type Answer = Awaited<ReturnType<Handler>>;
type Body = NonNullable<Answer["body"]>;
type Status = { readonly code: Code | undefined; readonly message: string };

/**
 * The prefixes of Connect's messages for binary that cannot be decoded, and for compressed bytes that end too
 * early. The message of a fault is "internal error" instead.
 */
const UNDECODABLE = ["parse binary: ", "decompression failed"];
/** Connect's message for a body over its limit. Posthaste's own refusals for want of places say otherwise. */
const TOO_LARGE = /^message size (?:(\d+) )?is larger than configured readMaxBytes (\d+)/;

/** The flags of the last frame of a response: of gRPC-Web, and of a stream of Connect. */
const TRAILER_FRAME = 128;
const END_FRAME = 2;
const FRAME_HEAD_BYTES = 5;

/**
 * Answers a message that can never be accepted with INVALID_ARGUMENT in every protocol: one that cannot be
 * decoded, and one that is too large.
 *
 * Connect does so for invalid JSON and for bytes that are not gzip. For invalid binary and for truncated gzip
 * it answers INTERNAL, and for what is too large RESOURCE_EXHAUSTED, which tells clients to try again later;
 * all of this before any interceptor runs. So this corrects the finished response, in the place where each
 * protocol puts the status.
 */
export function blameCaller(router: ConnectRouter): void {
  router.handlers.forEach((handler, i) => {
    const corrected: Handler = Object.assign(
      async (request: Parameters<Handler>[0]) => await correct(await handler(request)),
      handler,
    );
    router.handlers[i] = corrected;
  });
}

/** Returns what is wrong with the caller's message; undefined if the status says something else. */
function blamed({ code, message }: Status): string | undefined {
  if (code === Code.Internal && UNDECODABLE.some((words) => message.startsWith(words))) return message;
  const [, , max] = (code === Code.ResourceExhausted && TOO_LARGE.exec(message)) || [];
  return max === undefined ? undefined : `the message is over ${max} bytes, uncompressed; send less at once`;
}

async function correct(answer: Answer): Promise<Answer> {
  const { status, header, body, trailer } = answer;
  const type = header?.get("content-type") ?? "";
  const message = blamed({
    code: Number(trailer?.get("grpc-status")),
    message: percentDecoded(trailer?.get("grpc-message") ?? ""),
  });
  if (trailer !== undefined && message !== undefined) {
    trailer.set("grpc-status", String(Code.InvalidArgument));
    trailer.set("grpc-message", encodeURIComponent(message));
  }
  if (body === undefined) return answer;
  if (type.startsWith("application/grpc-web")) return { ...answer, body: withFirst(body, correctTrailers) };
  if (type.startsWith("application/connect+")) return { ...answer, body: withFirst(body, correctEnd) };
  const isPlain = !header?.has("content-encoding");
  const isError = status === 500 || status === 429;
  if (isError && type === "application/json" && isPlain) return await correctConnect(answer, body);
  return answer;
}

/**
 * Corrects a gRPC-Web response's first frame if it holds the trailers, as in a response that is only an
 * error.
 */
function correctTrailers(frame: Uint8Array): Uint8Array {
  if (frame[0] !== TRAILER_FRAME) return frame;
  const trailers = Buffer.from(frame.subarray(FRAME_HEAD_BYTES)).toString("latin1");
  const trailerOf = (name: string) => new RegExp(`^${name}: *(.*)\\r$`, "m").exec(trailers)?.[1] ?? "";
  const status = {
    code: Number(trailerOf("grpc-status")),
    message: percentDecoded(trailerOf("grpc-message")),
  };
  const message = blamed(status);
  if (message === undefined) return frame;
  const text = trailers
    .replace(/^grpc-status: .*$/m, `grpc-status: ${Code.InvalidArgument}\r`)
    .replace(/^grpc-message: .*$/m, `grpc-message: ${encodeURIComponent(message)}\r`);
  return framed(TRAILER_FRAME, Buffer.from(text, "latin1"));
}

/** Corrects the first frame of a stream of Connect if it is the end of the stream. */
function correctEnd(frame: Uint8Array): Uint8Array {
  if (frame[0] !== END_FRAME) return frame;
  const end = JSON.parse(Buffer.from(frame.subarray(FRAME_HEAD_BYTES)).toString("utf8"));
  const message = blamed(statusOf(end.error));
  if (message === undefined) return frame;
  const error = { code: codeToString(Code.InvalidArgument), message };
  return framed(END_FRAME, Buffer.from(JSON.stringify({ ...end, error })));
}

async function correctConnect(answer: Answer, body: Body): Promise<Answer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  const message = blamed(statusOf(JSON.parse(Buffer.concat(chunks).toString("utf8"))));
  if (message === undefined) return { ...answer, body: from(chunks) };
  const text = Buffer.from(JSON.stringify({ code: codeToString(Code.InvalidArgument), message }));
  const header = new Headers(answer.header);
  header.set("content-length", String(text.length));
  return { ...answer, status: 400, header, body: from([text]) };
}

/** Reads the JSON of an error of Connect. */
function statusOf(error: { readonly code?: string; readonly message?: string } | undefined): Status {
  return { code: codeFromString(error?.code ?? ""), message: String(error?.message) };
}

function framed(flag: number, content: Buffer): Uint8Array {
  const head = Buffer.alloc(FRAME_HEAD_BYTES);
  head[0] = flag;
  head.writeUInt32BE(content.length, 1);
  return Buffer.concat([head, content]);
}

/** Decodes a `grpc-message`. A text that nobody encoded is returned as it is. */
function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

async function* withFirst(body: Body, change: (chunk: Uint8Array) => Uint8Array): Body {
  let isFirst = true;
  for await (const chunk of body) {
    yield isFirst ? change(chunk) : chunk;
    isFirst = false;
  }
}

async function* from(chunks: readonly Uint8Array[]): Body {
  yield* chunks;
}
