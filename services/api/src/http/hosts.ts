import type { FastifyInstance } from "fastify";
import { sendProblem } from "./problem.ts";
import { REFUSALS } from "./refusal-table.ts";

/** A host and its port (RFC 9110, section 7.2). A request for no host has an empty one. */
const HOST = /^(?:\[[\da-f:.]+\]|(?:[\w.~!$&'()*+,;=-]|%[\da-f]{2})*)(?::\d*)?$/i;

/**
 * Refuses requests over HTTP/1 with several hosts or one that is none, and over HTTP/1.1 without any
 * (RFC 9112, section 3.2): whoever passed such a request on may have read another host in it. Node would
 * answer those without any itself, without a log line, and take the first of several.
 */
export function requireHost(app: FastifyInstance): void {
  app.addHook("onRequest", async ({ raw }, reply) => {
    if (raw.httpVersionMajor !== 1) return;
    // `headersDistinct` would read all headers once more.
    const hosts = raw.rawHeaders.filter((_, i, all) => i % 2 === 1 && all[i - 1]?.toLowerCase() === "host");
    const isMissing = hosts.length === 0 && raw.httpVersionMinor > 0;
    if (!isMissing && hosts.length <= 1 && hosts.every((host) => HOST.test(host))) return;
    return sendProblem(reply, {
      title: REFUSALS.invalid.title,
      status: REFUSALS.invalid.http,
      detail: "the request needs one header `host`, with a host and perhaps a port",
      reason: "MESSAGE_UNREADABLE",
    });
  });
}
