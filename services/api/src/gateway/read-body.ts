import { Readable } from "node:stream";
import { errorCodes, type FastifyInstance, type FastifyRequest } from "fastify";
import type { LoopTurns } from "../access/loop-turns.ts";
import type { BodyRoom } from "../access/places.ts";
import type { RequestLine } from "../http/request-line.ts";
import { type Fields, fromForm, fromJson } from "./parse-body.ts";

/**
 * Accepts JSON and form bodies; any other media type is answered 415. Only a POST has a body: some tools send
 * a content type with DELETE, too, and nothing after it. A body's bytes count among those of its account
 * until the request is over, and it is parsed in a turn of its account.
 */
export function readBodies(
  app: FastifyInstance,
  bodyLimit: number,
  { bodyRoom, loopTurns }: { readonly bodyRoom: BodyRoom; readonly loopTurns: LoopTurns },
): void {
  app.addHook("preParsing", async ({ method, principal, line }, _reply, body) => {
    if (method !== "POST" || principal === undefined) return body;
    const part = bodyRoom.begin(principal.accountId);
    line.whenOver(part.end);
    // Fastify no longer listens to a body that it has refused, and an unhandled error would end the process.
    return Readable.from(counted(body, part.receive)).on("error", () => {});
  });
  app.addHttpMethod("DELETE", { hasBody: false, overrideExisting: true });
  app.removeAllContentTypeParsers();
  const options = { parseAs: "buffer", bodyLimit } as const;
  const read = (from: (body: Buffer) => Fields) => async (request: FastifyRequest, body: Buffer) => {
    requirePlainUtf8(request);
    const { principal, line } = request;
    if (principal !== undefined) await loopTurns.wait(principal.accountId, body.length, overOf(line));
    return from(body);
  };
  app.addContentTypeParser("application/json", options, read(fromJson));
  app.addContentTypeParser("application/x-www-form-urlencoded", options, read(fromForm));
}

/** Returns a signal that aborts when the request is over, with an error that is its caller's. */
export function overOf(line: RequestLine): AbortSignal {
  const over = new AbortController();
  line.whenOver(() => over.abort(Object.assign(new Error("the caller has left"), { statusCode: 400 })));
  return over.signal;
}

/** Throws unless the body is unencoded UTF-8: any other encoding would be misread. */
function requirePlainUtf8({ headers }: FastifyRequest): void {
  const encoding = headers["content-encoding"] ?? "identity";
  const charset = /;\s*charset="?([^";\s]*)/i.exec(headers["content-type"] ?? "")?.[1] ?? "utf-8";
  if (encoding.toLowerCase() === "identity" && /^(utf-?8|us-ascii)$/i.test(charset)) return;
  throw new errorCodes.FST_ERR_CTP_INVALID_MEDIA_TYPE();
}

async function* counted(body: AsyncIterable<Buffer>, receive: (bytes: number) => void) {
  for await (const piece of body) {
    receive(piece.length);
    yield piece;
  }
}
