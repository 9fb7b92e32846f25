import type { FastifyInstance } from "fastify";
import { FIELDS_MAX, HEADER_FIELDS_MAX } from "./limits.ts";
import { sendProblem } from "./problem.ts";
import { REFUSALS } from "./refusal-table.ts";

/**
 * Refuses requests with too many headers, or too many fields in their query, before either is read: nobody
 * knows yet who asks.
 *
 * Of the headers over HTTP/1, some versions of Node leave some out, and others refuse the request themselves.
 * Over HTTP/2, they reset its stream.
 */
export function boundHeads(app: FastifyInstance): void {
  app.addHook("onRequest", async ({ raw, url }, reply) => {
    // Names and values take turns.
    if (raw.httpVersionMajor === 1 && raw.rawHeaders.length / 2 > HEADER_FIELDS_MAX) {
      return sendProblem(reply, {
        title: "Request Header Fields Too Large",
        status: 431,
        detail: `the request has more than ${HEADER_FIELDS_MAX} headers; send only those you need`,
        reason: "MESSAGE_UNREADABLE",
      });
    }
    if (url.split("&", FIELDS_MAX + 1).length <= FIELDS_MAX) return;
    return sendProblem(reply, {
      title: REFUSALS.invalid.title,
      status: REFUSALS.invalid.http,
      detail: `the URL has more than ${FIELDS_MAX} fields in its query; send only those you need`,
      reason: "MESSAGE_UNREADABLE",
    });
  });
}
