import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { ConnectionError } from "fastify";
import { problemText } from "./problem.ts";

/** What is wrong, by Node's code. Anything else is no HTTP. */
const STATUSES: Readonly<Record<string, { readonly status: number; readonly detail: string }>> = {
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, detail: "the request did not arrive in time; send it again" },
  HPE_HEADER_OVERFLOW: { status: 431, detail: "the path and the headers are too long together; send less" },
};
const NO_HTTP = { status: 400, detail: "this is no HTTP request that can be read; see /api/docs" };

/**
 * Answers over HTTP/1.1 what Node refuses before it is a request: with a problem, like every other refusal.
 * Closes the connection, since where the next request begins is unknown.
 */
export function answerUnreadable(error: ConnectionError, socket: Socket): void {
  if (error.code === "ECONNRESET" || socket.destroyed) return;
  const { status, detail } = STATUSES[error.code] ?? NO_HTTP;
  const title = STATUS_CODES[status] ?? "";
  const body = problemText({ title, status, detail, reason: "MESSAGE_UNREADABLE" });
  if (socket.writable) {
    const headers = [
      `content-length: ${Buffer.byteLength(body)}`,
      "content-type: application/problem+json",
      "connection: close",
    ];
    socket.write(`HTTP/1.1 ${status} ${title}\r\n${headers.join("\r\n")}\r\n\r\n${body}`);
  }
  socket.destroy(error);
}
