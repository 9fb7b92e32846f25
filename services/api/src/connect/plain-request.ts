import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  type Compression,
  type EnvelopedMessage,
  pipe,
  readAllBytes,
  transformDecompressEnvelope,
  transformJoinEnvelopes,
  transformSplitEnvelope,
} from "@connectrpc/connect/protocol";
import { type AccountId, Refusal } from "@posthaste/domain";
import type { Turn } from "../access/loop-turns.ts";
import { COMPRESSIONS } from "./compressions.ts";
import { requireFewFields, requireFewSigns } from "./count-values.ts";
import { counted, gathered } from "./gathered-body.ts";
import { refusalFor } from "./refusal-for.ts";
import type { Request } from "./wrap-handlers.ts";

type Body = AsyncIterable<Uint8Array>;
export type Bounds = {
  /** Whose call it is. */
  readonly accountId: AccountId;
  /** A message's bytes, uncompressed. */
  readonly bytesMax: number;
  /** Called with bytes as they arrive or are decompressed; may throw. */
  readonly count: (bytes: number) => void;
  /** Aborts when the call's request is over. */
  readonly over: AbortSignal | undefined;
  /** Waits before a message is looked at and decoded. */
  readonly turn: Turn;
};

/**
 * Returns the request as if it had been sent uncompressed, with messages that are quickly decoded, each in a
 * turn of its account. Connect decompresses and decodes a message at one go: neither the bytes that it then
 * holds nor the time that it takes show in what was received.
 *
 * @throws ConnectError for a message in the URL; for one in the body, whoever reads it gets the error
 */
export async function plainRequest(request: Request, method: DescMethod, bounds: Bounds): Promise<Request> {
  if (request.method === "GET") return { ...request, url: await plainUrl(request.url, method, bounds) };
  const { body } = request;
  if (!isPieces(body)) return request;
  const header = new Headers(request.header);
  const type = header.get("content-type") ?? "";
  const encodingName = encodingNameFor(type);
  const compression = compressionOf(header.get(encodingName), bounds);
  const check = checkFor(method, /^application\/(?:\S+\+)?json/i.test(type));
  const { methodKind } = method;
  const isOneMessage = methodKind === "unary" || methodKind === "server_streaming";
  const received = (isOneMessage ? gathered : counted)(body, bounds.count);
  if (encodingName !== "content-encoding") {
    const decompressed = transformDecompressEnvelope(compression ?? null, bounds.bytesMax);
    const checked = eachEnvelope(async ({ data }) => {
      await bounds.turn(data.length);
      check(data);
    });
    const split = transformSplitEnvelope(bounds.bytesMax);
    return { ...request, body: pipe(received, split, decompressed, checked, transformJoinEnvelopes()) };
  }
  const length = header.get("content-length");
  if (compression !== undefined) {
    header.delete("content-encoding");
    header.delete("content-length");
  }
  const whole = async function* (): Body {
    const bytes = await readAllBytes(received, bounds.bytesMax, length);
    const plain = compression === undefined ? bytes : await compression.decompress(bytes, bounds.bytesMax);
    await bounds.turn(plain.length);
    check(plain);
    yield plain;
  };
  return { ...request, header, body: whole() };
}

/** A message in a URL is at most as long as all headers, unless it is compressed. */
async function plainUrl(href: string, method: DescMethod, bounds: Bounds): Promise<string> {
  const url = new URL(href);
  const compression = compressionOf(url.searchParams.get("compression"), bounds);
  if (compression === undefined) return href;
  const message = Buffer.from(url.searchParams.get("message") ?? "", "base64url");
  const plain = await compression.decompress(message, bounds.bytesMax);
  await bounds.turn(plain.length);
  checkFor(method, url.searchParams.get("encoding") === "json")(plain);
  url.searchParams.delete("compression");
  url.searchParams.set("message", Buffer.from(plain).toString("base64url"));
  return url.href;
}

/** Returns what refuses a message that takes too long to decode. */
function checkFor(method: DescMethod, isJson: boolean): (message: Uint8Array) => void {
  return (message) => {
    try {
      if (isJson) requireFewSigns(message);
      else requireFewFields(method.input, message);
    } catch (error) {
      if (error instanceof Refusal) throw refusalFor(method, error);
      // As Connect answers what it cannot decode itself.
      throw new ConnectError(`parse binary: ${(error as Error).message}`, Code.Internal);
    }
  };
}

/** Returns the name of the header that says how a call's messages are compressed. */
function encodingNameFor(type: string): string {
  if (/^application\/grpc/i.test(type)) return "grpc-encoding";
  return /^application\/connect\+/i.test(type) ? "connect-content-encoding" : "content-encoding";
}

/** Returns the compression with this name, which counts what it decompresses; undefined: there is none. */
function compressionOf(name: string | null, { accountId, count, over }: Bounds): Compression | undefined {
  const known = COMPRESSIONS.find((compression) => compression.name === name);
  if (known === undefined) return undefined;
  return {
    ...known,
    decompress: async (bytes, bytesMax) => await known.inflate(bytes, { accountId, bytesMax, count, over }),
  };
}

function eachEnvelope(look: (message: EnvelopedMessage) => Promise<void>) {
  return async function* (messages: AsyncIterable<EnvelopedMessage>): AsyncIterable<EnvelopedMessage> {
    for await (const message of messages) {
      await look(message);
      yield message;
    }
  };
}

function isPieces(body: Request["body"]): body is Body {
  return typeof body === "object" && body !== null && Symbol.asyncIterator in body;
}
