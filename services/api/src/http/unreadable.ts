import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { endConnection } from "./body-rest.ts";
import { HEADER_FIELDS_MAX } from "./limits.ts";
import { problemText } from "./problem.ts";
import { abandon } from "./when-over.ts";

/** A connection over HTTP/1.1. */
export type Http1Connection = {
  /** The responses in flight, in their order. */
  readonly inFlight: Set<ServerResponse>;
  /** The response to the request whose body is arriving, also after its end. */
  arriving?: ServerResponse | undefined;
  /** The request that asked to upgrade the connection: nothing behind it is read as HTTP/1.1. */
  last?: IncomingMessage;
  /** What arrives cannot be read. */
  isUnreadable?: true;
};

/** What is wrong, by Node's code. Anything else is no HTTP. */
const STATUSES: Readonly<Record<string, { readonly status: number; readonly detail: string }>> = {
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, detail: "the request did not arrive in time; send it again" },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: { status: 413, detail: "the chunk extensions are too long; send none" },
  HPE_HEADER_OVERFLOW: {
    status: 431,
    detail: `there are more than ${HEADER_FIELDS_MAX} headers, or they and the path have over 16 KiB; send less`,
  },
};
const NO_HTTP = { status: 400, detail: "this is no HTTP request that can be read; see /api/docs" };

/**
 * Answers over HTTP/1.1 what Node cannot read, or what does not arrive in time: with a problem, like every
 * other refusal, and after the answers to all requests before it. Closes the connection, since where the next
 * message begins is unknown.
 *
 * @param code Node's code for what is wrong
 * @param counted called with the status if there is no request that would be counted
 */
export function answerUnreadable(
  socket: Socket,
  connection: Http1Connection,
  code: string,
  counted: (status: number) => void,
): void {
  const { arriving, inFlight } = connection;
  const own = arriving?.req.complete === false ? arriving : undefined;
  const before = [...inFlight].findLast((response) => response !== own);
  // Whoever ends its half of a connection has left, as Node has it, in the middle of a message or after it.
  if (code === "HPE_INVALID_EOF_STATE" && inFlight.size > 0) {
    endConnection(socket);
    return;
  }
  // Node repeats it with everything that arrives after it.
  if (connection.isUnreadable === true || connection.last?.complete === true) return;
  connection.isUnreadable = true;
  const { status, detail } = STATUSES[code] ?? NO_HTTP;
  // Without a request of its own, it has not even a whole head.
  if (own === undefined) counted(status);
  const answer = () => {
    if (own === undefined || !own.headersSent) {
      socket.write(answerOf(status, detail));
      endConnection(socket);
      if (own === undefined) return;
      // Its line says what was answered.
      own.writeHead(status);
      abandon(own);
    } else if (own.writableEnded) endConnection(socket);
    // Its client must not take what it has for the whole answer.
    else socket.destroy();
  };
  if (before === undefined) answer();
  // Before the next request is handed over: it is the one whose body cannot be read.
  else before.prependOnceListener("close", () => socket.writable && answer());
}

function answerOf(status: number, detail: string): string {
  const title = STATUS_CODES[status] ?? "";
  const body = problemText({ title, status, detail, reason: "MESSAGE_UNREADABLE" });
  const head = [
    `HTTP/1.1 ${status} ${title}`,
    `content-length: ${Buffer.byteLength(body)}`,
    "content-type: application/problem+json",
    "connection: close",
  ];
  return `${head.join("\r\n")}\r\n\r\n${body}`;
}
