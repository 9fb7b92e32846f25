import type { Socket } from "node:net";
import { type Acceptance, type Outcome, outcomeOfStatus } from "@posthaste/domain";
import { buildConnector, Client, type Dispatcher } from "undici";
import { classifyError } from "./classify-error.ts";

/** How much of an answer's body is kept: enough for any error page's first screen. */
export const RESPONSE_BODY_BYTES_MAX = 16_384;
/** All headers of an answer together; Node's own default, written down. */
const RESPONSE_HEADERS_BYTES_MAX = 16_384;

export type PostRequest = {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly acceptance: Acceptance;
  /** The whole attempt: name resolution, connect, TLS, headers and body. */
  readonly timeoutMs: number;
};

export type PostResult = {
  readonly outcome: Outcome;
  readonly status: number | null;
  readonly responseHeaders: [string, string][];
  readonly responseBody: Uint8Array;
  readonly responseTruncated: boolean;
  /** The address and port dialled; null where no connection came about. */
  readonly address: string | null;
  /** A code such as `ECONNREFUSED`, where no complete answer came. */
  readonly detail: string | null;
};

type Answer = { status: number; headers: [string, string][]; body: Uint8Array; truncated: boolean };

/**
 * Makes one HTTP POST: no redirects, no decompression, no more than {@link RESPONSE_BODY_BYTES_MAX} read, and over
 * at its deadline whatever the receiver does. Whatever the receiver did is returned as a value.
 *
 * Each call has a connection of its own, so that the address in the log is the one that was dialled for it.
 *
 * @throws for a fault of ours, such as being out of file descriptors
 */
export async function post(request: PostRequest): Promise<PostResult> {
  let address: string | null = null;
  const url = new URL(request.url);
  const client = new Client(url.origin, {
    connect: observedConnector(request.timeoutMs, (dialled) => {
      address = dialled;
    }),
    headersTimeout: request.timeoutMs,
    bodyTimeout: request.timeoutMs,
    maxHeaderSize: RESPONSE_HEADERS_BYTES_MAX,
    pipelining: 1,
  });
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), request.timeoutMs);
  try {
    const answer = await exchange(client, url, request, deadline.signal);
    return {
      outcome: outcomeOfStatus(answer.status, request.acceptance),
      status: answer.status,
      responseHeaders: answer.headers,
      responseBody: answer.body,
      responseTruncated: answer.truncated,
      address,
      detail: null,
    };
  } catch (error) {
    const classified = deadline.signal.aborted
      ? { outcome: "timeout" as const, detail: `no complete answer within ${request.timeoutMs} ms` }
      : classifyError(error);
    if (classified === "fault") throw error;
    return { ...NO_ANSWER, ...classified, address };
  } finally {
    clearTimeout(timer);
    // Whatever is still open is of no more use; waiting for it would let the receiver hold us.
    client.destroy().catch(() => {});
  }
}

const NO_ANSWER = {
  status: null,
  responseHeaders: [],
  responseBody: new Uint8Array(),
  responseTruncated: false,
} satisfies Partial<PostResult>;

async function exchange(
  client: Client,
  url: URL,
  request: PostRequest,
  signal: AbortSignal,
): Promise<Answer> {
  const response = await client.request({
    method: "POST",
    path: url.pathname + url.search,
    headers: request.headers,
    body: request.body,
    signal,
    responseHeaders: "raw",
  });
  const { bytes, truncated } = await firstBytes(response.body);
  return {
    status: response.statusCode,
    headers: headerPairs(response.headers as unknown as readonly Buffer[]),
    body: bytes,
    truncated,
  };
}

/** Reads up to the bound, and gives up the rest. */
async function firstBytes(
  body: Dispatcher.ResponseData["body"],
): Promise<{ bytes: Uint8Array; truncated: boolean }> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > RESPONSE_BODY_BYTES_MAX) break;
  }
  const all = Buffer.concat(chunks);
  return { bytes: all.subarray(0, RESPONSE_BODY_BYTES_MAX), truncated: size > RESPONSE_BODY_BYTES_MAX };
}

function headerPairs(raw: readonly (Buffer | string)[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const [name, value] = [raw[i], raw[i + 1]];
    if (name === undefined || value === undefined) continue;
    pairs.push([latin1(name).toLowerCase(), latin1(value)]);
  }
  return pairs;
}

/** Header bytes outside ASCII have no charset (RFC 9110, section 5.5); latin1 keeps every byte. */
function latin1(value: Buffer | string): string {
  return typeof value === "string" ? value : value.toString("latin1");
}

/** Connects as usual and tells the address of the connection that came about. */
function observedConnector(
  timeoutMs: number,
  onDialled: (address: string) => void,
): buildConnector.connector {
  const connect = buildConnector({ timeout: timeoutMs });
  return (options, callback) =>
    connect(options, (...result) => {
      const [error, socket] = result;
      if (error === null) onDialled(addressOf(socket));
      callback(...result);
    });
}

function addressOf(socket: Socket): string {
  const { remoteAddress = "", remotePort = 0 } = socket;
  return remoteAddress.includes(":") ? `[${remoteAddress}]:${remotePort}` : `${remoteAddress}:${remotePort}`;
}
