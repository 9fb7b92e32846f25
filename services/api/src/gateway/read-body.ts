import { errorCodes, type FastifyInstance, type FastifyRequest } from "fastify";
import { type Fields, fromForm, fromJson } from "./parse-body.ts";

/**
 * Accepts JSON and form bodies; any other media type is answered 415. Only a POST has a body: some tools send
 * a content type with DELETE, too, and nothing after it.
 */
export function readBodies(app: FastifyInstance, bodyLimit: number): void {
  app.addHttpMethod("DELETE", { hasBody: false, overrideExisting: true });
  app.removeAllContentTypeParsers();
  const options = { parseAs: "buffer", bodyLimit } as const;
  const read = (from: (body: Buffer) => Fields) => async (request: FastifyRequest, body: Buffer) => {
    requirePlainUtf8(request);
    return from(body);
  };
  app.addContentTypeParser("application/json", options, read(fromJson));
  app.addContentTypeParser("application/x-www-form-urlencoded", options, read(fromForm));
}

/** Throws unless the body is unencoded UTF-8: any other encoding would be misread. */
function requirePlainUtf8({ headers }: FastifyRequest): void {
  const encoding = headers["content-encoding"] ?? "identity";
  const charset = /;\s*charset="?([^";\s]*)/i.exec(headers["content-type"] ?? "")?.[1] ?? "utf-8";
  if (encoding.toLowerCase() === "identity" && /^(utf-?8|us-ascii)$/i.test(charset)) return;
  throw new errorCodes.FST_ERR_CTP_INVALID_MEDIA_TYPE();
}
