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
} as const;

/** The limits of one process of the API. */
export type Limits = FixedLimits & {
  /** See {@link LIMIT_SETTINGS} for these. */
  readonly ratePerSecond: number;
  readonly requestsMax: number;
  readonly publicRequestsMax: number;
  readonly connectionsMax: number;
  readonly watchesMax: number;
  readonly subscriptionsMax: number;
};

type FixedLimits = Readonly<
  Record<
    | "streamsMax"
    | "bodyBytesMax"
    | "batchBytesMax"
    | "batchEventsMax"
    | "gatewayBodyBytesMax"
    | "headerBytesMax"
    | "headersTimeoutMs"
    | "requestTimeoutMs",
    number
  >
>;

const MIB = 1_048_576;

/** Limits that follow from the contracts and protocols, and not from the size of an installation. */
export const FIXED_LIMITS: FixedLimits = {
  /** Streams of one HTTP/2 connection at once. Clients wait for a free one, as the protocol has it. */
  streamsMax: 250,
  /** A request's body, except a batch of events: the largest snapshot (1 MiB) and what is around it. */
  bodyBytesMax: MIB + 65_536,
  /** The body of a batch of events: what one transaction should hold, below a database packet of 16 MiB as hex. */
  batchBytesMax: 4 * MIB,
  /** Events in one batch: one transaction holds them all. */
  batchEventsMax: 1_000,
  /** A REST request's body. It holds a URL, a code and a secret; 1 MiB is the published limit. */
  gatewayBodyBytesMax: MIB,
  /** All headers of a request together. Node's own default. */
  headerBytesMax: 16_384,
  /** A connection that has not sent its request's headers by then is closed (slowloris). */
  headersTimeoutMs: 10_000,
  /** A request that has not arrived whole by then is closed: 1 MiB over a slow mobile line. */
  requestTimeoutMs: 60_000,
};

export function limitsFrom(settings: Values<typeof LIMIT_SETTINGS>): Limits {
  return {
    ...FIXED_LIMITS,
    ratePerSecond: settings.POSTHASTE_RATE_PER_SECOND,
    requestsMax: settings.POSTHASTE_REQUESTS_MAX,
    publicRequestsMax: settings.POSTHASTE_PUBLIC_REQUESTS_MAX,
    connectionsMax: settings.POSTHASTE_CONNECTIONS_MAX,
    watchesMax: settings.POSTHASTE_WATCHES_MAX,
    subscriptionsMax: settings.POSTHASTE_SUBSCRIPTIONS_MAX,
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
