import { EGRESS_SETTINGS } from "@posthaste/delivery/client";
import { DISABLE_RULE, LANES } from "@posthaste/domain";
import { httpUrl, integer, LOG_LEVELS, oneOf, parsed, text } from "@posthaste/runtime";
import { DRAIN_PER_SECOND, STORE_SETTINGS } from "@posthaste/store";

const HOUR_MS = 3_600_000;

/** What the worker reads from its environment. Temporal's own variables (`TEMPORAL_…`) are read by its SDK. */
export const WORKER_SETTINGS = {
  ...STORE_SETTINGS,
  POSTHASTE_WORKER_HOST: text("The address on which the worker takes nudges and health checks", "127.0.0.1"),
  POSTHASTE_WORKER_PORT: integer("The port for that; 0 takes a free one", 8081, { min: 0, max: 65535 }),
  POSTHASTE_LANE: oneOf(
    "How first attempts are made for accounts that chose no lane: by a workflow from the start, or straight from the database, which does several times as many, with a workflow for what fails",
    "workflow",
    LANES,
  ),
  POSTHASTE_DISPATCH_LEASE_MS: integer(
    "How long a claimed delivery is left to the worker that claimed it, in milliseconds; after a crash, how long until another starts it",
    30_000,
    { min: 1_000, max: 600_000 },
  ),
  POSTHASTE_IN_FLIGHT_MAX: integer(
    "Attempts of one subscription under way at once, where its owner chose no number, so that one that hangs leaves room for the others",
    32,
    { min: 1, max: 10_000 },
  ),
  POSTHASTE_DRAIN_PER_SECOND: integer(
    "First attempts in a second of a subscription whose parked deliveries are drained, so that a receiver that was away is not flooded",
    DRAIN_PER_SECOND,
    { min: 1, max: 1_000 },
  ),
  POSTHASTE_DISABLE_AFTER_HOURS: integer(
    "A subscription without a success for so long is disabled, once deliveries were exhausted",
    DISABLE_RULE.failingForMs / HOUR_MS,
    { min: 1, max: 8_760 },
  ),
  POSTHASTE_DISABLE_AFTER_EXHAUSTED: integer(
    "How many deliveries must have been exhausted since the last success for that",
    DISABLE_RULE.exhausted,
    { min: 1, max: 1_000_000 },
  ),
  POSTHASTE_BUILD_ID: text(
    "This code's version as a Temporal worker deployment (named `posthaste`), which has to be made current before it gets work; without it any worker takes any workflow",
    "",
    /^[\w.-]{1,128}$/,
    "letters, digits, `.`, `_` and `-`",
  ),
  POSTHASTE_ATTEMPTS_MAX: integer(
    "First attempts under way at once in one process, and half as many retries",
    200,
    { min: 1, max: 10_000 },
  ),
  POSTHASTE_RETAIN_EVENTS_DAYS: integer(
    "Days after which an event is deleted, with its payload and deliveries; one with an open delivery stays",
    90,
    { min: 1, max: 36_500 },
  ),
  POSTHASTE_RETAIN_ATTEMPTS_DAYS: integer(
    "Days after which the attempts of an ended delivery are deleted",
    30,
    {
      min: 1,
      max: 36_500,
    },
  ),
  POSTHASTE_RETAIN_KEYS_DAYS: integer("Days after which an idempotency key is forgotten", 7, {
    min: 1,
    max: 36_500,
  }),
  POSTHASTE_RETAIN_CHANGES_DAYS: integer("Days for which whoever follows deliveries may be away", 3, {
    min: 1,
    max: 36_500,
  }),
  POSTHASTE_RETENTION_INTERVAL_MS: integer("How often what is too old is deleted, in milliseconds", HOUR_MS, {
    min: 1_000,
    max: 30 * 24 * HOUR_MS,
  }),
  POSTHASTE_RECONCILE_INTERVAL_MS: integer(
    "How often overdue deliveries are held against Temporal, in milliseconds",
    15_000,
    { min: 100, max: 3_600_000 },
  ),
  ...EGRESS_SETTINGS,
  POSTHASTE_EGRESS_PROXY: parsed(
    "An HTTP proxy that every delivery goes through (CONNECT), as `http://USER:PASSWORD@HOST:PORT`; the proxy gets the address that was checked",
    null,
    "none",
    httpUrl,
  ),
  POSTHASTE_LOG_LEVEL: oneOf("The least important lines to log", "info", LOG_LEVELS),
} as const;
