import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  codeToHttpStatus,
  endStreamFlag,
  endStreamFromJson,
  endStreamToJson,
  errorFromJsonBytes,
  errorToJsonBytes,
} from "@connectrpc/connect/protocol-connect";
import { findTrailerError, setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { trailerFlag, trailerParse, trailerSerialize } from "@connectrpc/connect/protocol-grpc-web";
import type { Answer } from "./wrap-handlers.ts";

type Body = NonNullable<Answer["body"]>;
/** Returns the error to answer instead. */
type Change = (error: ConnectError) => ConnectError;

const COMPRESSED_FLAG = 1;
const FRAME_HEAD_BYTES = 5;

/**
 * Changes the error of an answer, in the place where each protocol puts it. Over gRPC, only an error before
 * the first message is changed: later ones are in trailers that do not exist yet.
 */
export async function rewriteErrors(answer: Answer, change: Change): Promise<Answer> {
  const { status, header, body, trailer } = answer;
  const type = header?.get("content-type") ?? "";
  if (trailer !== undefined) changeStatus(trailer, change);
  if (body === undefined) return answer;
  if (type.startsWith("application/grpc-web")) {
    const rewrite = (content: Buffer) => {
      const trailers = trailerParse(content);
      changeStatus(trailers, change);
      return trailerSerialize(trailers);
    };
    return { ...answer, body: withLastFrame(body, trailerFlag, header?.get("grpc-encoding"), rewrite) };
  }
  if (type.startsWith("application/connect+")) {
    const rewrite = (content: Buffer) => {
      const { metadata, error } = endStreamFromJson(content);
      const changed = error === undefined ? undefined : change(error);
      return Buffer.from(JSON.stringify(endStreamToJson(metadata, changed, undefined)));
    };
    const encoding = header?.get("connect-content-encoding");
    return { ...answer, body: withLastFrame(body, endStreamFlag, encoding, rewrite) };
  }
  return status >= 400 && type === "application/json" ? await changeUnary(answer, body, change) : answer;
}

function changeStatus(trailer: Headers, change: Change): void {
  const error = findTrailerError(trailer);
  if (error === undefined) return;
  // Without details, Connect leaves the old ones there.
  trailer.delete("grpc-status-details-bin");
  setTrailerStatus(trailer, change(error));
}

async function changeUnary(answer: Answer, body: Body, change: Change): Promise<Answer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  const header = new Headers(answer.header);
  const content = decompressed(Buffer.concat(chunks), header.get("content-encoding"));
  const error = change(errorFromJsonBytes(content, undefined, new ConnectError("unreadable", Code.Internal)));
  const text = errorToJsonBytes(error, undefined);
  header.delete("content-encoding");
  header.set("content-length", String(text.length));
  return { ...answer, status: codeToHttpStatus(error.code), header, body: once(text) };
}

/** Changes the last frame of a body. Connect yields each frame as a chunk. */
async function* withLastFrame(
  body: Body,
  flag: number,
  encoding: string | null | undefined,
  rewrite: (content: Buffer) => Uint8Array,
): Body {
  for await (const chunk of body) {
    const [flags = 0] = chunk;
    if ((flags & flag) === 0) {
      yield chunk;
      continue;
    }
    const content = Buffer.from(chunk.subarray(FRAME_HEAD_BYTES));
    yield framed(flag, rewrite((flags & COMPRESSED_FLAG) === 0 ? content : decompressed(content, encoding)));
  }
}

/** Decompresses what Connect has compressed, as it does with longer answers. */
function decompressed(content: Buffer, encoding: string | null | undefined): Buffer {
  if (encoding === "gzip") return gunzipSync(content);
  return encoding === "br" ? brotliDecompressSync(content) : content;
}

function framed(flag: number, content: Uint8Array): Uint8Array {
  const head = Buffer.alloc(FRAME_HEAD_BYTES);
  head[0] = flag;
  head.writeUInt32BE(content.length, 1);
  return Buffer.concat([head, content]);
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}
