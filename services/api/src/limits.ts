/** A request's body: one event's largest snapshot (1 MiB) and what is around it. */
export const BODY_BYTES_MAX = 1_048_576 + 65_536;

/** A batch of events: as much as one transaction should hold, and less than a database packet of 16 MiB as hex. */
export const BATCH_BODY_BYTES_MAX = 4 * 1_048_576;

/** A REST request's body. It holds a URL, a code and a secret; the published limit is 1 MiB. */
export const GATEWAY_BODY_BYTES_MAX = 1_048_576;

/** All headers of a request together; Node's own default, written down. */
export const HEADER_BYTES_MAX = 16_384;

/** A connection that has not sent its headers by then is closed (slowloris). */
export const HEADERS_TIMEOUT_MS = 10_000;

/** A request that has not arrived whole by then is closed. */
export const REQUEST_TIMEOUT_MS = 60_000;

/** An HTTP/2 connection without any traffic is closed; clients reconnect by themselves. */
export const IDLE_SESSION_MS = 10 * 60_000;

/** How long an HTTP/2 client may take to close its half of a connection that the server has ended. */
export const HALF_CLOSED_MS = 500;

/** Streams of one HTTP/2 connection at once. */
export const STREAMS_MAX = 250;
