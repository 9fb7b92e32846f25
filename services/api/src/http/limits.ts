import { HOUR_MS, MINUTE_MS } from "@posthaste/domain";
import { integer, oneOf, type Values } from "@posthaste/runtime";

/** The configurable limits of one API process, each with its reason. */
export const LIMIT_SETTINGS = {
  POSTHASTE_RATE_PER_SECOND: integer(
    "Requests per second of one token, averaged over ten seconds so that bursts pass; more are answered 429 with `Retry-After`. Each process counts separately",
    1_000,
    { min: 1, max: 1_000_000 },
  ),
  POSTHASTE_ACCOUNT_CHANGES_MB_PER_DAY: integer(
    "Megabytes that the changes of one account may store in a day, in the audit log and as versions of event types, and three quarters of it those of one token; more are answered 429 with `Retry-After`, while reads, ingest and what only stops something go on. A change usually takes 1 to 2 KB, so an account may change 10,000 subscriptions several times. Tokens with the scope `admin` are not limited. Each process counts separately, and begins anew when it starts",
    100,
    { min: 1, max: 1_000_000 },
  ),
  POSTHASTE_REQUESTS_MAX: integer(
    "Maximum requests in flight whose token is good, and as many whose token is still to be looked up; more are answered 503 with `Retry-After`. Each with a good token holds its body in memory",
    1_000,
    { min: 1, max: 100_000 },
  ),
  POSTHASTE_ACCOUNT_REQUESTS_MAX: integer(
    "Maximum requests in flight of one account, and three quarters of it of one token; more are answered 429. If few places are free, an account with many gets no more, so that the others find one",
    400,
    { min: 1, max: 100_000 },
  ),
  POSTHASTE_PUBLIC_REQUESTS_MAX: integer(
    "Maximum requests in flight that need no token, including watched health statuses, which last as long as their client wants. One more takes the place of the oldest that waits for its caller to send its body or to take its answer, which is cut off; if there is none, it is answered 503. A separate bound, so that anonymous requests cannot take the places of the others",
    100,
    { min: 1, max: 100_000 },
  ),
  POSTHASTE_CONNECTIONS_MAX: integer(
    "Maximum open connections. One more takes the place of the one that has been idle longest; if every one has a request in flight, it is closed on arrival. Each takes a file descriptor",
    10_000,
    { min: 1, max: 1_000_000 },
  ),
  POSTHASTE_KEEP_ALIVE_MS: integer(
    "How long an idle HTTP/1.1 connection stays open, in milliseconds. Longer than the idle time of a proxy or load balancer in front (often 60 s): otherwise it may send a request into a connection that is just being closed, and answer 502",
    75_000,
    { min: 1_000, max: 3_600_000 },
  ),
  POSTHASTE_HEADERS_TIMEOUT_MS: integer(
    "How long a connection may take to send a request's headers, in milliseconds, else it is closed. A new connection that sends nothing is closed then, too",
    10_000,
    { min: 100, max: 600_000 },
  ),
  POSTHASTE_WATCHES_MAX: integer(
    "Maximum open streams of delivery changes; more are answered 429. Each polls the database four times a second",
    100,
    { min: 1, max: 10_000 },
  ),
  POSTHASTE_ACCOUNT_WATCHES_MAX: integer(
    "Maximum open streams of delivery changes of one account, and three quarters of it of one token; more are answered 429. If few places are free, an account with many gets no more, so that the others find one. Each open page of the console has one",
    20,
    { min: 1, max: 10_000 },
  ),
  POSTHASTE_UNKNOWN_FIELDS: oneOf(
    "What becomes of a field that the contracts do not know in the JSON of an RPC: `refuse` answers 400 and names it, so that a misspelt one is noticed; `ignore` leaves it out, for clients that are newer than the installation. Protobuf's binary format always ignores them, and so does the REST gateway",
    "refuse",
    ["refuse", "ignore"],
  ),
  POSTHASTE_SUBSCRIPTIONS_MAX: integer(
    "Maximum live subscriptions of one account; more are answered 429. One event may become a delivery to each",
    10_000,
    { min: 1, max: 1_000_000 },
  ),
  POSTHASTE_UNPROVEN_HOST_SUBSCRIPTIONS_MAX: integer(
    "Maximum live subscriptions of one account on one host that has answered none of its deliveries with 2xx, so that nobody multiplies events into requests to a foreign host; more are answered 429. A test event that the host accepts lifts it. Ports and paths make no other host",
    10,
    { min: 1, max: 1_000_000 },
  ),
  POSTHASTE_PORTAL_SESSION_MAX_HOURS: integer(
    "The longest session that a portal link may open. Whoever copies its token can use it until its end, so it is no longer than your customers' own sessions; a month at most, after which a customer who has left your platform has none",
    12,
    { min: 1, max: 720 },
  ),
} as const;

/** The limits of one API process. {@link LIMIT_SETTINGS} explains those that are not fixed. */
export type Limits = Readonly<typeof FIXED_LIMITS> & {
  readonly ratePerSecond: number;
  readonly accountChangesMbPerDay: number;
  readonly requestsMax: number;
  readonly accountRequestsMax: number;
  readonly publicRequestsMax: number;
  readonly connectionsMax: number;
  readonly keepAliveMs: number;
  readonly headersTimeoutMs: number;
  readonly watchesMax: number;
  readonly accountWatchesMax: number;
  /** Whether an unknown field in an RPC's JSON is refused. */
  readonly refusesUnknownFields: boolean;
  readonly subscriptionsMax: number;
  readonly unprovenHostMax: number;
  readonly portalSessionMaxMs: number;
};

const MIB = 1_048_576;

/** Limits that follow from the contracts and protocols, not from the size of an installation. */
const FIXED_LIMITS = {
  /**
   * Concurrent streams of one HTTP/2 connection. Clients wait for a free stream, as the protocol requires.
   */
  streamsMax: 250,
  /**
   * Open streams of each kind that needs no token: watched health statuses, of which a balancer has a few,
   * and reflection.
   */
  publicStreamsMax: 10,
  /** A request's body, except that of events: the largest is an event type with its schema. */
  bodyBytesMax: MIB + 65_536,
  /**
   * The body of one event. JSON may write each byte of the largest snapshot (1 MiB) with six, as `\u003c`,
   * and some encoders write many so.
   */
  eventBytesMax: 6 * MIB + 65_536,
  /** The body of a batch of events: one transaction's worth, below a database packet of 16 MiB as hex. */
  batchBytesMax: 4 * MIB,
  /** The bodies and answers that one process holds: 60 batches, 40 of the largest events, or 64 lists. */
  bodiesBytesMax: 256 * MIB,
  /**
   * The bytes of all answers that wait for their callers to take them: thirty of the largest, a page of 4 MB.
   * An answer that is being read waits for some milliseconds.
   */
  untakenBytesMax: 128 * MIB,
  /** A REST request's body: a URL, a code and a secret. 1 MiB is the published limit. */
  gatewayBodyBytesMax: MIB,
  /** All headers of a request together. Node's default. */
  headerBytesMax: 16_384,
  /** Time for a whole request to arrive, else it is closed: 1 MiB over a slow mobile line. */
  requestTimeoutMs: MINUTE_MS,
  /**
   * Time for a whole request that needs no token to arrive. Its body has at most 4 KiB, and anyone could hold
   * the places of the others by sending slowly.
   */
  publicRequestTimeoutMs: 10_000,
  /**
   * How long an exchange may stand still in both directions, else it is cut off: a caller that does not read
   * its answer would hold its place for ever. Every call answers or sends something more often than that.
   */
  silenceMs: 2 * MINUTE_MS,
};

export function limitsFrom(settings: Values<typeof LIMIT_SETTINGS>): Limits {
  return {
    ...FIXED_LIMITS,
    ratePerSecond: settings.POSTHASTE_RATE_PER_SECOND,
    accountChangesMbPerDay: settings.POSTHASTE_ACCOUNT_CHANGES_MB_PER_DAY,
    requestsMax: settings.POSTHASTE_REQUESTS_MAX,
    accountRequestsMax: settings.POSTHASTE_ACCOUNT_REQUESTS_MAX,
    publicRequestsMax: settings.POSTHASTE_PUBLIC_REQUESTS_MAX,
    connectionsMax: settings.POSTHASTE_CONNECTIONS_MAX,
    keepAliveMs: settings.POSTHASTE_KEEP_ALIVE_MS,
    headersTimeoutMs: settings.POSTHASTE_HEADERS_TIMEOUT_MS,
    watchesMax: settings.POSTHASTE_WATCHES_MAX,
    accountWatchesMax: settings.POSTHASTE_ACCOUNT_WATCHES_MAX,
    refusesUnknownFields: settings.POSTHASTE_UNKNOWN_FIELDS === "refuse",
    subscriptionsMax: settings.POSTHASTE_SUBSCRIPTIONS_MAX,
    unprovenHostMax: settings.POSTHASTE_UNPROVEN_HOST_SUBSCRIPTIONS_MAX,
    portalSessionMaxMs: settings.POSTHASTE_PORTAL_SESSION_MAX_HOURS * HOUR_MS,
  };
}

/**
 * Says that the connections could all have a request in flight, so that a new one is closed on arrival; see
 * `connection-places.ts`. Each kind of requests has a bound, and those together must be fewer.
 */
export function connectionsWarning(limits: Limits): string | undefined {
  // Those with a place of their account, and those whose token is still to be looked up.
  const requests = 2 * limits.requestsMax + limits.publicRequestsMax + REFUSED_MAX + PROBES_MAX;
  if (limits.connectionsMax > requests) return undefined;
  return `requests in flight may take all ${limits.connectionsMax} connections, and new ones are then closed on arrival: set POSTHASTE_CONNECTIONS_MAX above ${requests}, or lower POSTHASTE_REQUESTS_MAX or POSTHASTE_PUBLIC_REQUESTS_MAX`;
}

/** The window over which a token's rate is averaged. */
export const RATE_WINDOW_S = 10;

/** `Retry-After` if every place is taken: requests last milliseconds. */
export const BUSY_RETRY_AFTER_MS = 1_000;

/**
 * Requests that wait for their caller to take a refusal; beyond, the oldest is cut off. Each holds some
 * kilobytes of memory.
 */
export const REFUSED_MAX = 1_000;

/**
 * The memory that Node counts for an HTTP/2 connection, in MB: 1 TB, more than a process holds. Node never
 * takes off what was still to be sent when a client cut an answer off. At its default, 10 MB, ten answers of
 * 1 MB that were cut off end every later call of their connection. What really waits to be sent is bounded by
 * {@link Limits.untakenBytesMax}.
 */
export const SESSION_MEMORY_MAX_MB = 1_000_000;

/**
 * Headers of a request, as many as Envoy and Apache let through. Each takes a microsecond or two to be read,
 * and over HTTP/2 a hundred bytes until its request is forgotten, before anybody knows who asks.
 */
export const HEADER_FIELDS_MAX = 100;

/** Fields of a form or of a query. A call has five at most; the rest is room for what tools add. */
export const FIELDS_MAX = 100;

/** Probes in flight; beyond, the oldest is cut off. Whoever asks gives up after some seconds anyway. */
export const PROBES_MAX = 1_000;

/**
 * Requests of one HTTP/1.1 connection that wait for those before them; one with more is closed. Browsers and
 * Node's clients send the next request once they have the answer.
 */
export const PIPELINED_MAX = 20;

/** How often answers that wait for their callers are added up: a process writes some tens of MB meanwhile. */
export const UNTAKEN_CHECK_MS = 250;

/**
 * Requests of known callers that are handed over in one turn of the event loop: a few milliseconds' worth,
 * for which the requests of others wait. Those of one turn share their look-ups and their commits.
 */
export const KNOWN_PER_TURN = 20;

/** Health checks that are handed over in one turn of the event loop: a millisecond's worth. */
export const PROBES_PER_TURN = 5;

/**
 * Other requests that are handed over in one turn of the event loop: a millisecond or two of refusals, for
 * which a known caller's request waits in each of the several turns that it needs.
 */
export const OTHERS_PER_TURN = 5;

/**
 * The share of these places that a turn has after one in which a connection was accepted: Node accepts one in
 * each, and others wait in the system's queue.
 */
export const SHORT_TURN_SHARE = 0.2;

/**
 * Requests that ended before their turn came and are still to be logged; one more is counted instead. Their
 * connections and streams are free for others, so nothing else bounds them.
 */
export const ENDED_WAITING_MAX = 1_000;

/**
 * Requests of one account that wait for their turn; one more over HTTP/2 is refused, which tells its client
 * that it may send it again. Each takes ten kilobytes, or fifty with as many headers as it may have.
 */
export const WAITING_PER_ACCOUNT_MAX = 1_000;

/**
 * Requests of all unknown callers that wait for their turn. A connection over HTTP/2 may have as many as
 * there are places left, so that a crowd leaves some to whoever comes next; one more is refused, as an
 * account's is.
 */
export const OTHERS_WAITING_MAX = 2_000;

/**
 * Requests that are read in one turn of the event loop from all connections over HTTP/2, besides the rest of
 * a chunk of 64 KiB: some milliseconds' worth. See `http2-reading.ts`.
 */
export const READ_PER_TURN = 200;

/**
 * How often connections over HTTP/2 that a crowd stopped are looked at, until they have written what their
 * clients did not take: about as long as a client takes to send its next request.
 */
export const WRITTEN_CHECK_MS = 20;

/**
 * Connections over HTTP/2 that are read again in a turn of the event loop after a crowd stopped all: to ask
 * the system for each takes a microsecond or two.
 */
export const RESUMED_PER_TURN = 1_000;

/**
 * Frames without DATA and WINDOW_UPDATE in what a client sends first over HTTP/2; with more, its connection
 * is closed. It may have 250 streams, and most clients begin with 100 at most until they hear so.
 */
export const FIRST_FRAMES_MAX = 300;

/**
 * Requests of a turn of the event loop that are logged although they were reset in the bytes that opened
 * them. Others of the turn are counted instead.
 */
export const UNHEARD_PER_TURN = 20;

/**
 * Requests that a connection over HTTP/2 may reset at once, and in each second after that; more end it. A
 * client pays 26 bytes for each. It may give up all its streams at the same time, and open and reset those
 * that waited for them; and with a thousand calls a second, all may pass their deadlines. Node's default is
 * 1,000, and then 33.
 */
export const RESETS_AT_ONCE_MAX = 1_000;
export const RESETS_PER_SECOND_MAX = 1_000;
/** Requests that a connection over HTTP/2 may open at once: those that it resets, and its streams. */
export const OPENED_AT_ONCE_MAX = RESETS_AT_ONCE_MAX + FIXED_LIMITS.streamsMax;
/**
 * Node's own bound of resets, at once and in each second: never reached. It also counts requests that were
 * answered, and tells nobody when it ends a connection.
 */
export const NODES_RESETS_MAX = 1_000_000;

/**
 * How much is dropped of a body whose request is answered before its end, so that the connection can be used
 * again: the largest body that any call accepts.
 */
export const DROPPED_BYTES_MAX = FIXED_LIMITS.eventBytesMax;

/** How long an HTTP/2 connection without a request stays open; clients reconnect by themselves. */
export const IDLE_SESSION_MS = 10 * MINUTE_MS;

/** How long a client may take to close its half of a connection after the server ended its own. */
export const HALF_CLOSED_MS = 500;
