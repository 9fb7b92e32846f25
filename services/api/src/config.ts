import { integer, LOG_LEVELS, oneOf, text, urls } from "@posthaste/runtime";

/** What the API reads from its environment. Temporal's own variables (`TEMPORAL_…`) are read by its SDK. */
export const API_SETTINGS = {
  DATABASE_URL: text(
    "The database: `mysql://USER:PASSWORD@HOST:PORT/NAME`, or `sqlite:PATH`",
    undefined,
    /^(mysql|sqlite):/,
    "mysql://… or sqlite:PATH",
  ),
  POSTHASTE_DATABASE_POOL_SIZE: integer("Connections to MySQL held by one process", 10, { min: 1, max: 200 }),
  POSTHASTE_HOST: text("The address on which the API listens", "127.0.0.1"),
  POSTHASTE_PORT: integer(
    "The port for everything: Connect, gRPC, gRPC-Web, REST; 0 takes a free one",
    8080,
    {
      min: 0,
      max: 65_535,
    },
  ),
  POSTHASTE_WORKER_URLS: urls(
    "Workers to nudge after an ingest, as `http://HOST:PORT`, separated by commas",
    [],
  ),
  POSTHASTE_FAN_OUT_MAX: integer(
    "Deliveries made within one ingest call; a wider fan-out goes on in the worker",
    2_000,
    { min: 1, max: 10_000 },
  ),
  POSTHASTE_DRAIN_MS: integer("How long a stop waits for requests in flight, in milliseconds", 15_000, {
    min: 0,
    max: 300_000,
  }),
  POSTHASTE_LOG_LEVEL: oneOf("The least important lines to log", "info", LOG_LEVELS),
} as const;
