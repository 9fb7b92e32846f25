import type { FastifyInstance } from "fastify";

const JSON_TYPES = /^application\/(?:json|connect\+json|grpc\+json|grpc-web(?:-text)?\+json)$/i;
const UTF_8 = /^charset\s?=\s?"?utf-?8"?$/i;

/**
 * What every call has in common beside Connect: answers are not stored by caches, since they belong to one
 * account, and JSON in UTF-8 may be declared in every way that RFC 9110 (section 8.3.1) allows, where Connect
 * knows the most common one.
 */
export function rpcHeaders(app: FastifyInstance): void {
  app.addHook("onRequest", async (request, reply) => {
    reply.header("cache-control", "no-store");
    const { headers } = request.raw;
    const type = headers["content-type"];
    if (type !== undefined) headers["content-type"] = plainJson(type);
  });
}

/** Returns the type of JSON in UTF-8 without parameters, and any other type unchanged. */
function plainJson(contentType: string): string {
  const [type = "", ...parameters] = contentType.split(";").map((part) => part.trim());
  const isUtf8 = parameters.every((parameter) => parameter === "" || UTF_8.test(parameter));
  return JSON_TYPES.test(type) && isUtf8 ? type : contentType;
}
