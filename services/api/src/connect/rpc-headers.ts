import { Refusal } from "@posthaste/domain";
import type { FastifyInstance } from "fastify";
import { problemText, type ReportFault } from "../http/problem.ts";

const JSON_TYPES = /^application\/(?:json|connect\+json|grpc\+json|grpc-web(?:-text)?\+json)$/i;
const UTF_8 = /^charset\s?=\s?"?utf-?8"?$/i;

/**
 * What every call has in common beside Connect: answers are not stored by caches, since they belong to one
 * account, and JSON in UTF-8 may be declared in every way that RFC 9110 (section 8.3.1) allows, where Connect
 * knows the most common one. A call whose host cannot be a part of a URL is refused: Connect makes a URL of
 * it before it answers anything.
 */
export function rpcHeaders(app: FastifyInstance, reportFault: ReportFault): void {
  app.addHook("onRequest", async (request, reply) => {
    reply.header("cache-control", "no-store");
    const { headers, url } = request.raw;
    const authority = headers[":authority"] ?? headers.host;
    if (authority === undefined || !URL.canParse(url ?? "", `http://${authority}`)) {
      throw new Refusal("invalid", "the request has no Host that a URL could have; send the API's own", {
        reason: "MESSAGE_UNREADABLE",
      });
    }
    const type = headers["content-type"];
    if (type !== undefined) headers["content-type"] = plainJson(type);
  });
  // Connect writes its answers past Fastify. A call that it has dropped must not look as if it were answered.
  app.addHook("onSend", async (request, reply, payload) => {
    if (payload !== undefined || reply.statusCode !== 200) return payload;
    reportFault(new Error("the call ended without an answer"), request.line);
    reply.code(500).type("application/problem+json");
    return problemText({
      title: "Internal error",
      status: 500,
      detail: "internal error",
      reason: "INTERNAL",
    });
  });
}

/** Returns the type of JSON in UTF-8 without parameters, and any other type unchanged. */
function plainJson(contentType: string): string {
  const [type = "", ...parameters] = contentType.split(";").map((part) => part.trim());
  const isUtf8 = parameters.every((parameter) => parameter === "" || UTF_8.test(parameter));
  return JSON_TYPES.test(type) && isUtf8 ? type : contentType;
}
