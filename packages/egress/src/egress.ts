import { type Acceptance, type EgressRules, type Outcome, outcomeOfStatus } from "@posthaste/domain";
import { classifyError } from "./classify-error.ts";
import { Connection, WentStale } from "./connection.ts";
import { startDeadline } from "./deadline.ts";
import { createIdleConnections } from "./idle-connections.ts";
import { EGRESS_LIMITS, type EgressLimits } from "./limits.ts";
import { rememberLookups } from "./remembered-lookup.ts";
import { type Lookup, resolveTarget, systemLookup, TargetBlocked } from "./resolve-target.ts";

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

export type EgressOptions = {
  readonly rules: EgressRules;
  /** An HTTP proxy that every request goes through; its URL may carry credentials. Default: none. */
  readonly proxy?: URL | undefined;
  /** The certificate authorities to trust, as PEM. Default: Node's own, and what `NODE_EXTRA_CA_CERTS` adds. */
  readonly ca?: string;
  /** Default: the operating system's resolver. */
  readonly lookup?: Lookup;
  /** Default: {@link EGRESS_LIMITS}. */
  readonly limits?: Partial<EgressLimits>;
  /** Milliseconds of a clock that never goes back. Default: the process's. */
  readonly now?: () => number;
};

/** The way out: the only code that reaches what subscribers name. */
export type Egress = (request: PostRequest) => Promise<PostResult>;

/**
 * Makes POSTs to permitted addresses only: no redirects, no decompression, no more than
 * 16 KiB of an answer's body kept, and over at their deadline whatever the receiver does. Whatever the receiver
 * did is returned as a value; the egress throws for a fault of ours, such as being out of file descriptors.
 *
 * Each POST checks its target anew, by what its name stood for {@link EgressLimits.answerMs} ago at most. It goes over
 * a connection that an earlier one to the same origin left, where that leads to one of the addresses just checked, and
 * over one of its own otherwise. The address in the log is the one at the other end.
 */
export function createEgress(options: EgressOptions): { post: Egress; close(): void } {
  const { rules, proxy, ca, lookup = systemLookup, now = () => performance.now() } = options;
  const limits = { ...EGRESS_LIMITS, ...options.limits };
  const resolve = rememberLookups(lookup, limits, now);
  const idle = createIdleConnections(limits, now);

  const post: Egress = async (request) => {
    const url = new URL(request.url);
    const message = { path: url.pathname + url.search, headers: request.headers, body: request.body };
    const deadline = startDeadline(request.timeoutMs);
    let connection: Connection | undefined;
    try {
      const addresses = await deadline.bound(resolveTarget(url, rules, resolve));
      const route = {
        origin: url.origin,
        rules,
        addresses,
        proxy,
        ca,
        idleMs: limits.idleMs,
        // A deadline gives back its own length at most.
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
      idle.keep(connection);
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
      const classified = deadline.hasPassed()
        ? { outcome: "timeout" as const, detail: `no complete answer within ${request.timeoutMs} ms` }
        : classifyError(error);
      if (classified === "fault") throw error;
      return { ...NO_ANSWER, ...classified, address: connection?.endpoint ?? null };
    } finally {
      deadline.clear();
      // Whatever is still open is of no more use; waiting for it would let the receiver hold us.
      connection?.destroy();
    }
  };
  return { post, close: idle.close };
}

const NO_ANSWER = {
  status: null,
  responseHeaders: [],
  responseBody: new Uint8Array(),
  responseTruncated: false,
  address: null,
  blockedFor: null,
} satisfies Partial<PostResult>;
