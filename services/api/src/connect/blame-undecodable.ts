import { Code, type ConnectRouter } from "@connectrpc/connect";

type Handler = ConnectRouter["handlers"][number];
type Answer = Awaited<ReturnType<Handler>>;
type Body = NonNullable<Answer["body"]>;

/**
 * The prefixes of Connect's messages for binary that cannot be decoded, and for compressed bytes that end too
 * early. The message of a fault is "internal error" instead.
 */
const UNDECODABLE = ["parse binary: ", "decompression failed"];
const INTERNAL = String(Code.Internal);
const INVALID_ARGUMENT = String(Code.InvalidArgument);
/** The first byte of the last frame of a gRPC-Web response. */
const TRAILER_FRAME = 128;
const FRAME_HEAD_BYTES = 5;

/**
 * Answers a message that cannot be decoded with INVALID_ARGUMENT in every protocol.
 *
 * Connect does so for invalid JSON and for bytes that are not gzip. For invalid binary and for truncated gzip
 * it answers INTERNAL, before any interceptor runs. So this corrects the finished response, in the place
 * where each protocol puts the status.
 */
export function blameUndecodable(router: ConnectRouter): void {
  router.handlers.forEach((handler, i) => {
    const corrected: Handler = Object.assign(
      async (request: Parameters<Handler>[0]) => await correct(await handler(request)),
      handler,
    );
    router.handlers[i] = corrected;
  });
}

async function correct(answer: Answer): Promise<Answer> {
  const { status, header, body, trailer } = answer;
  const type = header?.get("content-type") ?? "";
  if (trailer !== undefined && isUndecodable(trailer.get("grpc-status"), trailer.get("grpc-message"))) {
    trailer.set("grpc-status", INVALID_ARGUMENT);
  }
  if (body === undefined) return answer;
  if (type.startsWith("application/grpc-web")) return { ...answer, body: withFirst(body, correctFrame) };
  const isPlain = !header?.has("content-encoding");
  if (status === 500 && type === "application/json" && isPlain) return await correctConnect(answer, body);
  return answer;
}

function isUndecodable(
  status: string | null | undefined,
  percentEncoded: string | null | undefined,
): boolean {
  if (status !== INTERNAL) return false;
  return UNDECODABLE.some((words) => (percentEncoded ?? "").startsWith(encodeURIComponent(words)));
}

/**
 * Corrects a gRPC-Web response's first frame if it holds the trailers, as in a response that is only an
 * error.
 */
function correctFrame(frame: Uint8Array): Uint8Array {
  if (frame[0] !== TRAILER_FRAME) return frame;
  const trailers = Buffer.from(frame.subarray(FRAME_HEAD_BYTES)).toString("latin1");
  const trailerOf = (name: string) => new RegExp(`^${name}: *(.*)\\r$`, "m").exec(trailers)?.[1];
  if (!isUndecodable(trailerOf("grpc-status"), trailerOf("grpc-message"))) return frame;
  const text = Buffer.from(
    trailers.replace(/^grpc-status: .*$/m, `grpc-status: ${INVALID_ARGUMENT}\r`),
    "latin1",
  );
  const head = Buffer.from([TRAILER_FRAME, 0, 0, 0, 0]);
  head.writeUInt32BE(text.length, 1);
  return Buffer.concat([head, text]);
}

async function correctConnect(answer: Answer, body: Body): Promise<Answer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  const { code, message } = JSON.parse(Buffer.concat(chunks).toString("utf8"));
  const isUndecoded = UNDECODABLE.some((words) => String(message).startsWith(words));
  if (code !== "internal" || !isUndecoded) return { ...answer, body: from(chunks) };
  const text = Buffer.from(JSON.stringify({ code: "invalid_argument", message }));
  const header = new Headers(answer.header);
  header.set("content-length", String(text.length));
  return { ...answer, status: 400, header, body: from([text]) };
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
