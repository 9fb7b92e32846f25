import {
  type Acceptance,
  type AccountId,
  type EgressRules,
  type Outcome,
  outcomeOfStatus,
} from "@posthaste/domain";
import { type Classified, classifyError } from "./classify-error.ts";
import { Connection, type ProxyStage, WentStale } from "./connection.ts";
import { startDeadline } from "./deadline.ts";
import { createIdleConnections } from "./idle-connections.ts";
import { EGRESS_LIMITS, type EgressLimits } from "./limits.ts";
import { ProxyFault } from "./proxy-fault.ts";
import { type Resolution, rememberLookups } from "./remembered-lookup.ts";
import { type Lookup, resolveTarget, systemLookup, TargetBlocked } from "./resolve-target.ts";
import { createTlsTurns, type TlsTurns } from "./tls-turns.ts";

export type PostRequest = {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly acceptance: Acceptance;
  /** The account that the request is for: accounts share the lookups of names. */
  readonly accountId: AccountId;
  /** The timeout of the whole attempt: name resolution, connect, TLS, headers and body. */
  readonly timeoutMs: number;
};

export type PostResult = {
  readonly outcome: Outcome;
  readonly status: number | null;
  readonly responseHeaders: [string, string][];
  readonly responseBody: Uint8Array;
  readonly responseTruncated: boolean;
  /** The address and port dialled; null if no connection was established. */
  readonly address: string | null;
  /** The reason, such as `ECONNREFUSED`, if there was no complete response; null otherwise. */
  readonly detail: string | null;
  /** What was `blocked`, for the operator only, as it may be an address inside the operator's network. */
  readonly blockedFor: string | null;
};

export type EgressOptions = {
  readonly rules: EgressRules;
  /** The HTTP proxy for all requests; its URL may contain credentials. Default: none. */
  readonly proxy?: URL | undefined;
  /** The certificate authorities to trust, as PEM. Default: Node's, including `NODE_EXTRA_CA_CERTS`. */
  readonly ca?: string;
  /** Default: the operating system's resolver. */
  readonly lookup?: Lookup;
  /** Default: {@link EGRESS_LIMITS}. */
  readonly limits?: Partial<EgressLimits>;
  /** Milliseconds of a monotonic clock. Default: `performance.now`. */
  readonly now?: () => number;
  /** Default: turns of its own. */
  readonly turns?: TlsTurns;
};

/** Sends one POST to a URL that a subscriber chose. No other code does. */
export type Egress = (request: PostRequest) => Promise<PostResult>;

/**
 * Creates a client that sends POSTs to permitted addresses only. It follows no redirects, decompresses
 * nothing, keeps at most 16 KiB of a response body, and ends every attempt at its deadline. The receiver's
 * behaviour is returned as a value; `post` throws only for a fault, such as a lack of file descriptors.
 *
 * Each POST checks its target again, with addresses resolved at most {@link EgressLimits.answerMs} ago, or
 * {@link EgressLimits.lastAnswerMs} ago while the resolver takes long to answer again. It reuses an idle
 * connection to the same origin if that connection leads to one of these addresses; otherwise it opens a new
 * one. The returned address is the actual remote address.
 */
export function createEgress(options: EgressOptions): { post: Egress; close(): void } {
  const { rules, proxy, ca, lookup = systemLookup, now = () => performance.now() } = options;
  const { turns = createTlsTurns() } = options;
  const limits = { ...EGRESS_LIMITS, ...options.limits };
  const resolveName = rememberLookups(lookup, limits, now);
  const idle = createIdleConnections(limits, now);
  const keepOnceWritten = (connection: Connection) => {
    if (connection.isFree) idle.keep(connection);
    // TLS may say a turn of the event loop late that the request has been written.
    else setImmediate(idle.keep, connection);
  };

  const post: Egress = async (request) => {
    const url = new URL(request.url);
    const { headers, body, accountId } = request;
    // Not `pathname` and `search`, which lose an empty query: `/a?` is another resource than `/a`.
    const message = { path: url.href.slice(url.origin.length), headers, body, accountId };
    const deadline = startDeadline(request.timeoutMs);
    let connection: Connection | undefined;
    let resolution: Resolution | undefined;
    try {
      const resolved = resolveTarget(url, rules, (hostname) => {
        resolution = resolveName(hostname, accountId);
        return resolution.answer;
      });
      const addresses = await deadline.bound(resolved);
      const route = {
        origin: url.origin,
        rules,
        addresses,
        proxy,
        ca,
        turns,
        idleMs: limits.idleMs,
        // A deadline is extended by at most its own length.
        abandonMs: 2 * request.timeoutMs + 1_000,
        onClosed: idle.drop,
      };
      connection = idle.take(url.origin, addresses) ?? new Connection(route, now());
      const answer = await deadline.bound(connection.exchange(message)).catch((error: unknown) => {
        if (!(error instanceof WentStale)) throw error;
        connection = new Connection(route, now());
        return deadline.bound(connection.exchange(message));
      });
      const address = connection.endpoint;
      keepOnceWritten(connection);
      connection = undefined;
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
      const lack = connection?.lack;
      if (deadline.hasPassed() && lack !== undefined) throw lack;
      const classified = deadline.hasPassed()
        ? timeoutOf(request, connection?.proxyStage ?? "none", resolution?.queuedMs() ?? 0)
        : classifyError(error);
      if (classified === "fault") throw error;
      return { ...NO_ANSWER, ...classified, address: connection?.endpoint ?? null };
    } finally {
      deadline.clear();
      // A connection that is still here cannot be reused. It is closed at once: the receiver might keep it
      // open.
      connection?.destroy();
    }
  };
  return { post, close: idle.close };
}

/**
 * Says what an attempt that reached its deadline was waiting for.
 *
 * A proxy that has accepted the connection dials the receiver and may say nothing until it gives up, so its
 * silence counts as the receiver's. Otherwise a receiver that drops packets would never be exhausted.
 *
 * If other names kept the resolver busy for more than half of the time, the receiver did not get its chance.
 *
 * @throws Error for a fault: the attempt waited for something of the operator's
 */
function timeoutOf(
  { timeoutMs }: PostRequest,
  stage: ProxyStage,
  queuedMs: number,
): Exclude<Classified, "fault"> {
  if (queuedMs > timeoutMs / 2) {
    const waited = `${Math.round(queuedMs)} of the attempt's ${timeoutMs} ms`;
    throw new Error(`the name was not looked up for ${waited}, because too many names are slow`);
  }
  switch (stage) {
    case "accept":
      throw new ProxyFault(`the outbound proxy did not accept a connection within ${timeoutMs} ms`);
    case "tunnel":
      return { outcome: "timeout", detail: `the outbound proxy opened no tunnel within ${timeoutMs} ms` };
    case "none":
      return { outcome: "timeout", detail: `no complete response within ${timeoutMs} ms` };
  }
}

const NO_ANSWER = {
  status: null,
  responseHeaders: [],
  responseBody: new Uint8Array(),
  responseTruncated: false,
  address: null,
  blockedFor: null,
} satisfies Partial<PostResult>;
