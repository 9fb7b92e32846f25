import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import {
  type Client,
  Code,
  ConnectError,
  createClient,
  type Interceptor,
  type Transport,
} from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { AccountService } from "@posthaste/contracts/account";
import { DeliveryService } from "@posthaste/contracts/delivery";
import { EventCatalogService } from "@posthaste/contracts/event_catalog";
import { EventIngestService } from "@posthaste/contracts/event_ingest";
import { InboxService } from "@posthaste/contracts/inbox";
import { SessionService } from "@posthaste/contracts/session";
import { StatisticsService } from "@posthaste/contracts/statistics";
import { SubscriptionService } from "@posthaste/contracts/subscription";
import { addIdempotencyKeys } from "./idempotency-keys.ts";
import { retrySafely } from "./retry.ts";

export type PosthasteClientOptions = {
  /** Where Posthaste's API is, such as `https://posthaste.internal`. */
  readonly baseUrl: string;
  /** Sent as `Authorization: Bearer`. Use https, or a network that you trust: whoever sees it can use it. */
  readonly token: string;
  /** `connect` (the default) is HTTP/1.1 and goes through any proxy; `grpc` needs HTTP/2 all the way. */
  readonly protocol?: "connect" | "grpc";
  /**
   * The whole call with all its retries, in milliseconds. Default: 10,000; sensible: 1,000 to 60,000. A test event has 20 s
   * at least, and a stream the time that the server gives it.
   */
  readonly deadlineMs?: number;
  /** Requests made for one call at most, the first included. Default: 4; 1 switches retries off. */
  readonly attemptsMax?: number;
};

/** Typed clients for every service, over one connection pool. */
export type PosthasteClient = {
  readonly subscriptions: Client<typeof SubscriptionService>;
  readonly events: Client<typeof EventIngestService>;
  readonly catalog: Client<typeof EventCatalogService>;
  readonly deliveries: Client<typeof DeliveryService>;
  readonly statistics: Client<typeof StatisticsService>;
  readonly accounts: Client<typeof AccountService>;
  readonly sessions: Client<typeof SessionService>;
  readonly inboxes: Client<typeof InboxService>;
  /** Lets go of the connections. Calls under way fail, and so do later ones, with the code `canceled`. */
  close(): Promise<void>;
};

const DEADLINE_MS = 10_000;
/** The server waits 15 s for what comes of a test event. */
const TEST_EVENT_DEADLINE_MS = 20_000;
/** The server ends a stream after 10 minutes; one that lasts longer has gone silent. */
const STREAM_DEADLINE_MS = 11 * 60_000;
const ATTEMPTS_MAX = 4;
/** Calls under way at once over Connect; more wait for a connection. */
const CONNECTIONS_MAX = 100;
/** An HTTP/2 connection that said nothing for so long is asked whether it is alive. */
const PING_INTERVAL_MS = 3_000;
/** One that does not answer by then is replaced; with the interval, half of the usual deadline. */
const PING_TIMEOUT_MS = 2_000;

/**
 * Makes clients that are safe to call without thought: each call has a deadline; one that may be repeated is repeated
 * while the server is unavailable; and each event gets an idempotency key, the same in every repetition, where the
 * caller gives none.
 *
 * Errors are `ConnectError`s with the server's code and message.
 */
export function createPosthasteClient(options: PosthasteClientOptions): PosthasteClient {
  const { baseUrl, token, deadlineMs = DEADLINE_MS, attemptsMax = ATTEMPTS_MAX } = options;
  const closing = new AbortController();
  const closed = closing.signal;
  const shared = {
    baseUrl,
    interceptors: [
      untilClosed(closed),
      addIdempotencyKeys(),
      retrySafely({ attemptsMax, closed }),
      bearer(token),
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
    sessions: client(SessionService),
    inboxes: client(InboxService),
    async close() {
      closing.abort();
      close();
    },
  };
}

type Shared = { baseUrl: string; interceptors: Interceptor[] };

/** Gives each call its deadline, where the caller gives none. */
function withDeadlines({ unary, stream }: Transport, deadlineMs: number): Transport {
  const isLong = (method: DescMethod) => method === SubscriptionService.method.sendTestEvent;
  return {
    unary: (method, signal, timeoutMs, ...rest) =>
      unary(
        method,
        signal,
        timeoutMs ?? (isLong(method) ? Math.max(deadlineMs, TEST_EVENT_DEADLINE_MS) : deadlineMs),
        ...rest,
      ),
    stream: (method, signal, timeoutMs, ...rest) =>
      stream(method, signal, timeoutMs ?? STREAM_DEADLINE_MS, ...rest),
  };
}

/** Over HTTP/1.1 with connections that are kept: what every proxy and load balancer speaks. */
function connectTo(shared: Shared): { transport: Transport; close: () => void } {
  const Agent = new URL(shared.baseUrl).protocol === "https:" ? HttpsAgent : HttpAgent;
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS_MAX });
  const transport = createConnectTransport({ ...shared, httpVersion: "1.1", nodeOptions: { agent } });
  return { transport, close: () => agent.destroy() };
}

/** Over one HTTP/2 connection, which is looked after: one that went silent would take every later call with it. */
function grpcTo(shared: Shared): { transport: Transport; close: () => void } {
  const sessionManager = new Http2SessionManager(shared.baseUrl, {
    pingIntervalMs: PING_INTERVAL_MS,
    pingTimeoutMs: PING_TIMEOUT_MS,
  });
  return {
    transport: createGrpcTransport({ ...shared, sessionManager }),
    close: () => sessionManager.abort(),
  };
}

/** A call after the end would open a connection that nobody closes; one under way would see only that its own broke. */
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

function bearer(token: string): Interceptor {
  return (next) => async (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return await next(request);
  };
}
