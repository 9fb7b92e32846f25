import { type Acceptance, type EgressRules, type Outcome, outcomeOfStatus } from "@posthaste/domain";
import { Client, type Dispatcher } from "undici";
import { classifyError } from "./classify-error.ts";
import { directly, type Route, through } from "./connect.ts";
import { startDeadline } from "./deadline.ts";
import { headerPairs } from "./header-pairs.ts";
import { type Lookup, resolveTarget, systemLookup, TargetBlocked } from "./resolve-target.ts";

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
  /** Why it was `blocked`, for the operator only: it may be an address inside the operator's network. */
  readonly blockedFor: string | null;
};

type Answer = { status: number; headers: [string, string][]; body: Uint8Array; truncated: boolean };

export type EgressOptions = {
  readonly rules: EgressRules;
  /** An HTTP proxy that every request goes through; its URL may carry credentials. Default: none. */
  readonly proxy?: URL | undefined;
  /** The certificate authorities to trust, as PEM. Default: Node's own, and what `NODE_EXTRA_CA_CERTS` adds. */
  readonly ca?: string;
  /** Default: the operating system's resolver. */
  readonly lookup?: Lookup;
};

/** The way out: the only code that reaches what subscribers name. */
export type Egress = (request: PostRequest) => Promise<PostResult>;

/**
 * Makes POSTs to permitted addresses only: no redirects, no decompression, no more than
 * {@link RESPONSE_BODY_BYTES_MAX} read, and over at their deadline whatever the receiver does. Whatever the receiver
 * did is returned as a value; the egress throws for a fault of ours, such as being out of file descriptors.
 *
 * Each POST resolves and checks its target anew and has a connection of its own, so that a name that changes its
 * address is checked again, and the address in the log is the one that was dialled for it.
 */
export function createEgress({ rules, proxy, ca, lookup = systemLookup }: EgressOptions): Egress {
  return async (request) => {
    const url = new URL(request.url);
    let address: string | null = null;
    let client: Client | undefined;
    const deadline = startDeadline(request.timeoutMs);
    try {
      const route: Route = {
        rules,
        addresses: await beforeDeadline(resolveTarget(url, rules, lookup), deadline.signal),
        ca,
        // A deadline gives back its own length at most.
        abandonMs: 2 * request.timeoutMs + 1_000,
        signal: deadline.signal,
        onDialled: (dialled) => {
          address = dialled;
        },
      };
      client = new Client(url.origin, {
        connect: proxy === undefined ? directly(route) : through(proxy, route),
        // The deadline is the only clock: another one would not know what it gives back.
        headersTimeout: 0,
        bodyTimeout: 0,
        maxHeaderSize: RESPONSE_HEADERS_BYTES_MAX,
        pipelining: 1,
      });
      const answer = await exchange(client, url, request, deadline.signal);
      return {
        outcome: outcomeOfStatus(answer.status, request.acceptance),
        status: answer.status,
        responseHeaders: answer.headers,
        responseBody: answer.body,
        responseTruncated: answer.truncated,
        address,
        detail: null,
        blockedFor: null,
      };
    } catch (error) {
      if (error instanceof TargetBlocked) {
        return { ...NO_ANSWER, outcome: "blocked", detail: error.message, blockedFor: error.found };
      }
      const classified = deadline.signal.aborted
        ? { outcome: "timeout" as const, detail: `no complete answer within ${request.timeoutMs} ms` }
        : classifyError(error);
      if (classified === "fault") throw error;
      return { ...NO_ANSWER, ...classified, address };
    } finally {
      deadline.clear();
      // Whatever is still open is of no more use; waiting for it would let the receiver hold us.
      client?.destroy().catch(() => {});
    }
  };
}

const NO_ANSWER = {
  status: null,
  responseHeaders: [],
  responseBody: new Uint8Array(),
  responseTruncated: false,
  address: null,
  blockedFor: null,
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

/** A resolver cannot be told to stop; its late answer is dropped. */
function beforeDeadline<T>(promise: Promise<T>, deadline: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    deadline.addEventListener("abort", () => reject(new Error("too late")), { once: true });
    promise.then(resolve, reject);
  });
}
