import { EGRESS_SETTINGS } from "@posthaste/delivery/client";
import { DAY_MS, DISABLE_RULE, HOUR_MS, LANES } from "@posthaste/domain";
import { httpUrl, integer, LOG_LEVELS, oneOf, parsed, text } from "@posthaste/runtime";
import { DRAIN_PER_SECOND, STORE_SETTINGS } from "@posthaste/store";

/**
 * The worker's settings, read from the environment. Temporal's SDK reads its own variables (`TEMPORAL_…`).
 */
export const WORKER_SETTINGS = {
  ...STORE_SETTINGS,
  POSTHASTE_WORKER_HOST: text(
    "The address on which the worker listens for nudges, health checks and metrics scrapes",
    "127.0.0.1",
  ),
  POSTHASTE_WORKER_PORT: integer(
    "The port on which the worker listens for nudges, health checks and metrics scrapes; 0 picks a free port",
    8081,
    { min: 0, max: 65535 },
  ),
  POSTHASTE_LANE: oneOf(
    "The lane of accounts that set none. `workflow` starts a workflow for each delivery. `direct` makes first attempts straight from the database, which is several times faster, and starts a workflow only for a delivery whose first attempt fails, or whose subscription is failing",
    "workflow",
    LANES,
  ),
  POSTHASTE_DISPATCH_LEASE_MS: integer(
    "How long a claim on a delivery lasts, in milliseconds. After a worker crashes, another worker claims its deliveries when their leases expire",
    30_000,
    { min: 1_000, max: 600_000 },
  ),
  POSTHASTE_IN_FLIGHT_MAX: integer(
    "The maximum number of attempts of one subscription in flight at once, unless the subscription sets its own `concurrency`. It keeps a receiver that hangs from using up the worker's capacity",
    32,
    { min: 1, max: 10_000 },
  ),
  POSTHASTE_DRAIN_PER_SECOND: integer(
    "First attempts per second of one subscription while its parked deliveries drain, so that a receiver that was down is not flooded",
    DRAIN_PER_SECOND,
    { min: 1, max: 1_000 },
  ),
  POSTHASTE_DISABLE_AFTER_HOURS: integer(
    "Hours without a successful delivery after which a subscription is disabled, if at least `POSTHASTE_DISABLE_AFTER_EXHAUSTED` of its deliveries were exhausted since its last success. They begin with the first failed attempt since that success, or since the subscription was last resumed",
    DISABLE_RULE.failingForMs / HOUR_MS,
    { min: 1, max: 8_760 },
  ),
  POSTHASTE_DISABLE_AFTER_EXHAUSTED: integer(
    "How many deliveries must be exhausted since a subscription's last success, or since it was last resumed, before it is disabled; `POSTHASTE_DISABLE_AFTER_HOURS` must have passed too",
    DISABLE_RULE.exhausted,
    { min: 1, max: 1_000_000 },
  ),
  POSTHASTE_BUILD_ID: text(
    "This build's version in the Temporal worker deployment `posthaste-<installation id>` (`npm run installation` prints the id; an installation without one has `posthaste`). It receives work only after an operator sets it as the current version. If empty, workers are unversioned and any of them takes any workflow",
    "",
    /^[\w.-]{1,128}$/,
    "letters, digits, `.`, `_` and `-`",
  ),
  POSTHASTE_ATTEMPTS_MAX: integer(
    "The maximum number of first attempts of one account in flight at once in one process. A quarter more is kept for other accounts, so that one account alone cannot make another wait. The limit for retries is separate, half as high",
    200,
    { min: 1, max: 10_000 },
  ),
  POSTHASTE_HOST_ATTEMPTS_MAX: integer(
    "The maximum number of attempts of one account in flight at once at one host in one process, so that its subscriptions there together flood no receiver; others wait. By default about a third of the account's places. Ports make no other host",
    64,
    { min: 1, max: 10_000 },
  ),
  POSTHASTE_STOP_WITHIN_MS: integer(
    "How long a stop of the worker may take, in milliseconds. It suffices for every attempt with the default timeout of 15 s. What is not done by then is cut off, and done by the next worker. Give the process 5 s more before you kill it: the default fits the 30 s that orchestrators usually wait",
    25_000,
    { min: 1_000, max: 600_000 },
  ),
  POSTHASTE_RETAIN_EVENTS_DAYS: integer(
    "Days after the end of the last of its deliveries (or after its ingest, if it has none) after which an event is deleted, with its payload and deliveries. An event type that a subscription no longer wants is deleted this many days after its removal",
    90,
    { min: 1, max: 36_500 },
  ),
  POSTHASTE_RETAIN_ATTEMPTS_DAYS: integer(
    "Days after the end of a delivery after which its attempts are deleted",
    30,
    {
      min: 1,
      max: 36_500,
    },
  ),
  POSTHASTE_RETAIN_KEYS_DAYS: integer("Days after which an idempotency key is deleted", 7, {
    min: 1,
    max: 36_500,
  }),
  POSTHASTE_RETAIN_CHANGES_DAYS: integer(
    "Days after which a delivery change is deleted: a client of `WatchDeliveries` can resume from a cursor up to this old",
    3,
    { min: 1, max: 36_500 },
  ),
  POSTHASTE_RETAIN_AUDIT_DAYS: integer(
    "Days after which an entry of the audit log is deleted: by default a year and a month, which an audit usually covers",
    400,
    { min: 1, max: 36_500 },
  ),
  POSTHASTE_RETENTION_INTERVAL_MS: integer(
    "How often rows past their retention are deleted, in milliseconds",
    HOUR_MS,
    { min: 1_000, max: 30 * DAY_MS },
  ),
  POSTHASTE_RECONCILE_INTERVAL_MS: integer(
    "How often overdue deliveries are compared with their workflows in Temporal, in milliseconds",
    15_000,
    { min: 100, max: HOUR_MS },
  ),
  ...EGRESS_SETTINGS,
  POSTHASTE_USER_AGENT: parsed(
    "The `user-agent` header of deliveries, such as `Acme-Webhooks/1.0`: receivers see it, and so do their owners in the console. Without it, it is `Posthaste/` and the version",
    null,
    "none",
    userAgent,
  ),
  POSTHASTE_EGRESS_PROXY: parsed(
    "An HTTP proxy for every delivery (CONNECT), as `http://USER:PASSWORD@HOST:PORT`. The proxy receives the IP address that the worker has checked, not the host name",
    null,
    "none",
    httpUrl,
  ),
  POSTHASTE_LOG_LEVEL: oneOf("The lowest level that is logged", "info", LOG_LEVELS),
} as const;

/** @throws Error stating the expected form */
function userAgent(text: string): string {
  if (/^[!-~]([ -~]{0,98}[!-~])?$/.test(text)) return text;
  throw new Error("expected 1 to 100 printable ASCII characters, without spaces at the ends");
}
