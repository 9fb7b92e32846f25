import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import {
  type Client,
  Code,
  ConnectError,
  createClient,
  createContextValues,
  type Interceptor,
  type Transport,
} from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { AccountService } from "@posthaste/contracts/account";
import { DeliveryService } from "@posthaste/contracts/delivery";
import { EventCatalogService } from "@posthaste/contracts/event_catalog";
import { EventIngestService } from "@posthaste/contracts/event_ingest";
import { InboxService } from "@posthaste/contracts/inbox";
import { OperatorService } from "@posthaste/contracts/operator";
import { SessionService } from "@posthaste/contracts/session";
import { StatisticsService } from "@posthaste/contracts/statistics";
import { SubscriptionService } from "@posthaste/contracts/subscription";
import { checkOptions } from "./check-options.ts";
import { GrpcSessions } from "./grpc-sessions.ts";
import { addIdempotencyKeys } from "./idempotency-keys.ts";
import { DEADLINE_AT, retrySafely } from "./retry.ts";
import { suspectBaseUrl } from "./suspect-base-url.ts";

export type PosthasteClientOptions = {
  /** The URL of Posthaste's API, such as `https://posthaste.internal`. */
  readonly baseUrl: string;
  /**
   * Sent as `Authorization: Bearer`. Use HTTPS or a network that you trust: anyone who sees the token
   * can use it.
   */
  readonly token: string;
  /** `connect` (default) is HTTP/1.1 and works through any proxy; `grpc` needs HTTP/2 end to end. */
  readonly protocol?: "connect" | "grpc";
  /**
   * The deadline of a call including its retries, in milliseconds. Default: 10,000; sensible: 1,000 to
   * 60,000. A test event gets at least 20 s, and a stream 11 minutes.
   */
  readonly deadlineMs?: number;
  /**
   * The maximum number of requests for one call, including the first. Default: as many as its deadline
   * allows; 1 turns retries off.
   */
  readonly attemptsMax?: number;
  /**
   * The account in which the calls act, by its number, for a token with the scope `admin`. Default: the
   * token's own.
   */
  readonly account?: number;
};

/** Typed clients for every service, over one connection pool. */
export type PosthasteClient = {
  readonly subscriptions: Client<typeof SubscriptionService>;
  readonly events: Client<typeof EventIngestService>;
  readonly catalog: Client<typeof EventCatalogService>;
  readonly deliveries: Client<typeof DeliveryService>;
  readonly statistics: Client<typeof StatisticsService>;
  readonly accounts: Client<typeof AccountService>;
  readonly operator: Client<typeof OperatorService>;
  readonly sessions: Client<typeof SessionService>;
  readonly inboxes: Client<typeof InboxService>;
  /** Closes the connections. Calls in flight and later calls fail with the code `canceled`. */
  close(): Promise<void>;
};

const DEADLINE_MS = 10_000;
/** The server waits up to 15 s for the outcome of a test event. */
const TEST_EVENT_DEADLINE_MS = 20_000;
/** The server ends a stream after 10 minutes; a longer stream has lost its connection. */
const STREAM_DEADLINE_MS = 11 * 60_000;
/**
 * The longest deadline that is sent, in milliseconds: 27 hours. gRPC's header has eight digits, and a timer
 * of Node's that would wait for longer than 24 days fires at once.
 */
const SENDABLE_MAX_MS = 99_999_999;
/** The maximum number of calls in flight over Connect. Further calls wait for a connection. */
const CONNECTIONS_MAX = 100;

/**
 * Creates a client for every service. Each call has a deadline. Calls that the contract declares repeatable
 * are retried while the server is unavailable. An event without an idempotency key gets one, which stays the
 * same in every retry.
 *
 * Errors are `ConnectError`s with the server's code and message; see {@link refusalOf}.
 *
 * @throws TypeError if an option is wrong
 */
export function createPosthasteClient(options: PosthasteClientOptions): PosthasteClient {
  checkOptions(options);
  const { baseUrl, token, deadlineMs = DEADLINE_MS, attemptsMax, account } = options;
  const closing = new AbortController();
  const closed = closing.signal;
  const shared = {
    baseUrl,
    interceptors: [
      untilClosed(closed),
      suspectBaseUrl(baseUrl),
      addIdempotencyKeys(),
      retrySafely({ attemptsMax, closed }),
      bearer(token),
      ...(account === undefined ? [] : [actingIn(account)]),
    ],
  };
  const { transport: bare, close } = options.protocol === "grpc" ? grpcTo(shared) : connectTo(shared);
  const transport = withDeadlines(bare, deadlineMs);
  const client = <S extends DescService>(service: S): Client<S> => createClient(service, transport);
  return {
    subscriptions: client(SubscriptionService),
    events: client(EventIngestService),
    catalog: client(EventCatalogService),
    deliveries: client(DeliveryService),
    statistics: client(StatisticsService),
    accounts: client(AccountService),
    operator: client(OperatorService),
    sessions: client(SessionService),
    inboxes: client(InboxService),
    async close() {
      closing.abort();
      close();
    },
  };
}

type Shared = { baseUrl: string; interceptors: Interceptor[] };

/** Sets a call's deadline if the caller sets none. */
function withDeadlines({ unary, stream }: Transport, deadlineMs: number): Transport {
  const isLong = (method: DescMethod) => method === SubscriptionService.method.sendTestEvent;
  return {
    unary: (method, signal, timeoutMs, header, message, contextValues = createContextValues()) => {
      const ownMs = isLong(method) ? Math.max(deadlineMs, TEST_EVENT_DEADLINE_MS) : deadlineMs;
      const withinMs = sendable(timeoutMs ?? ownMs);
      // Zero and less mean none.
      if (withinMs > 0) contextValues.set(DEADLINE_AT, performance.now() + withinMs);
      return unary(method, signal, withinMs, header, message, contextValues);
    },
    stream: (method, signal, timeoutMs, ...rest) =>
      stream(method, signal, sendable(timeoutMs ?? STREAM_DEADLINE_MS), ...rest),
  };
}

/** @throws TypeError if the deadline is no number */
function sendable(timeoutMs: number): number {
  if (Number.isNaN(timeoutMs)) throw new TypeError("timeoutMs is not a number of milliseconds");
  return Math.min(timeoutMs, SENDABLE_MAX_MS);
}

/** Creates a transport over HTTP/1.1 with keep-alive, which every proxy and load balancer supports. */
function connectTo(shared: Shared): { transport: Transport; close: () => void } {
  const Agent = new URL(shared.baseUrl).protocol === "https:" ? HttpsAgent : HttpAgent;
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS_MAX });
  const transport = createConnectTransport({ ...shared, httpVersion: "1.1", nodeOptions: { agent } });
  return { transport, close: () => agent.destroy() };
}

/**
 * Creates a transport over one HTTP/2 connection, which is pinged: a silent connection would fail
 * every later call.
 */
function grpcTo(shared: Shared): { transport: Transport; close: () => void } {
  const sessionManager = new GrpcSessions(shared.baseUrl);
  return {
    transport: createGrpcTransport({ ...shared, sessionManager }),
    close: () => sessionManager.abort(),
  };
}

/**
 * Fails calls after `close`, which would open a connection that is never closed. A call in flight fails with
 * the same error instead of a broken connection.
 */
function untilClosed(closed: AbortSignal): Interceptor {
  const canceled = (cause?: unknown) =>
    new ConnectError("this client is closed", Code.Canceled, undefined, undefined, cause);
  return (next) => async (request) => {
    if (closed.aborted) throw canceled();
    try {
      return await next(request);
    } catch (error) {
      throw closed.aborted ? canceled(error) : error;
    }
  };
}

/** Names the account in which an operator's calls act. */
function actingIn(account: number): Interceptor {
  return (next) => async (request) => {
    request.header.set("posthaste-account", String(account));
    return await next(request);
  };
}

function bearer(token: string): Interceptor {
  return (next) => async (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return await next(request);
  };
}
