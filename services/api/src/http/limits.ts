import { integer, type Values } from "@posthaste/runtime";

/** What one process of the API lets its callers take, each with its reason. */
export const LIMIT_SETTINGS = {
  POSTHASTE_RATE_PER_SECOND: integer(
    "Requests of one token in a second, taken over ten, so that bursts pass; more are answered 429 with `Retry-After`. Counted by each process for itself",
    1_000,
    { min: 1, max: 1_000_000 },
  ),
  POSTHASTE_REQUESTS_MAX: integer(
    "Requests with a token under way at once; more are answered 503 with `Retry-After`. Each holds its body in memory",
    1_000,
    { min: 1, max: 100_000 },
  ),
  POSTHASTE_PUBLIC_REQUESTS_MAX: integer(
    "Requests that need no token under way at once, a watched health status among them, which lasts as long as its client likes; more are answered 503. Apart from the others, so that nobody takes those places by being slow",
    100,
    { min: 1, max: 100_000 },
  ),
  POSTHASTE_CONNECTIONS_MAX: integer(
    "Connections open at once; more are closed as they come. Each costs a file descriptor",
    10_000,
    { min: 1, max: 1_000_000 },
  ),
  POSTHASTE_STREAMS_MAX: integer(
    "Streams of one HTTP/2 connection at once; clients wait for a free one, as the protocol has it",
    250,
    { min: 1, max: 10_000 },
  ),
  POSTHASTE_WATCHES_MAX: integer(
    "Streams of delivery changes open at once; more are answered 429. Each looks into the database four times a second",
    100,
    { min: 1, max: 10_000 },
  ),
  POSTHASTE_SUBSCRIPTIONS_MAX: integer(
    "Live subscriptions of one account; more are answered 429. One event is a delivery to each of them",
    10_000,
    { min: 1, max: 1_000_000 },
  ),
  POSTHASTE_BODY_BYTES_MAX: integer(
    "A request's body, but for a batch of events, in bytes: the largest snapshot (1 MiB) and what is around it",
    1_048_576 + 65_536,
    { min: 1_024, max: 1_048_576 + 65_536 },
  ),
  POSTHASTE_BATCH_BYTES_MAX: integer(
    "The body of a batch of events, in bytes: what one transaction should hold, below a database packet of 16 MiB as hex",
    4 * 1_048_576,
    { min: 1_024, max: 6 * 1_048_576 },
  ),
  POSTHASTE_BATCH_EVENTS_MAX: integer("Events in one batch: one transaction holds them all", 1_000, {
    min: 1,
    max: 1_000,
  }),
  POSTHASTE_GATEWAY_BODY_BYTES_MAX: integer(
    "A REST request's body, in bytes. It holds a URL, a code and a secret; 1 MiB is the published limit",
    1_048_576,
    { min: 1_024, max: 1_048_576 },
  ),
  POSTHASTE_HEADER_BYTES_MAX: integer(
    "All headers of a request together, in bytes; Node's own default",
    16_384,
    {
      min: 4_096,
      max: 131_072,
    },
  ),
  POSTHASTE_HEADERS_TIMEOUT_MS: integer(
    "A connection that has not sent its request's headers by then is closed (slowloris), in milliseconds",
    10_000,
    { min: 100, max: 120_000 },
  ),
  POSTHASTE_REQUEST_TIMEOUT_MS: integer(
    "A request that has not arrived whole by then is closed, in milliseconds: 1 MiB over a slow mobile line",
    60_000,
    { min: 100, max: 600_000 },
  ),
} as const;

/** The limits of one process of the API. Each is described by its setting in {@link LIMIT_SETTINGS}. */
export type Limits = {
  readonly ratePerSecond: number;
  readonly requestsMax: number;
  readonly publicRequestsMax: number;
  readonly connectionsMax: number;
  readonly streamsMax: number;
  readonly watchesMax: number;
  readonly subscriptionsMax: number;
  readonly bodyBytesMax: number;
  readonly batchBytesMax: number;
  readonly batchEventsMax: number;
  readonly gatewayBodyBytesMax: number;
  readonly headerBytesMax: number;
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
};

export function limitsFrom(settings: Values<typeof LIMIT_SETTINGS>): Limits {
  return {
    ratePerSecond: settings.POSTHASTE_RATE_PER_SECOND,
    requestsMax: settings.POSTHASTE_REQUESTS_MAX,
    publicRequestsMax: settings.POSTHASTE_PUBLIC_REQUESTS_MAX,
    connectionsMax: settings.POSTHASTE_CONNECTIONS_MAX,
    streamsMax: settings.POSTHASTE_STREAMS_MAX,
    watchesMax: settings.POSTHASTE_WATCHES_MAX,
    subscriptionsMax: settings.POSTHASTE_SUBSCRIPTIONS_MAX,
    bodyBytesMax: settings.POSTHASTE_BODY_BYTES_MAX,
    batchBytesMax: settings.POSTHASTE_BATCH_BYTES_MAX,
    batchEventsMax: settings.POSTHASTE_BATCH_EVENTS_MAX,
    gatewayBodyBytesMax: settings.POSTHASTE_GATEWAY_BODY_BYTES_MAX,
    headerBytesMax: settings.POSTHASTE_HEADER_BYTES_MAX,
    headersTimeoutMs: settings.POSTHASTE_HEADERS_TIMEOUT_MS,
    requestTimeoutMs: settings.POSTHASTE_REQUEST_TIMEOUT_MS,
  };
}

/** The time over which a token's rate is taken. */
export const RATE_WINDOW_S = 10;

/** When a caller may try again that found every place taken: requests last milliseconds. */
export const BUSY_RETRY_AFTER_MS = 1_000;

/** An HTTP/2 connection without any request for so long is closed; clients reconnect by themselves. */
export const IDLE_SESSION_MS = 10 * 60_000;

/** How long an HTTP/2 client may take to close its half of a connection that the server has ended. */
export const HALF_CLOSED_MS = 500;
