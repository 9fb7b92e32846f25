import { EGRESS_PORTS_DEFAULT, formatPorts, parseNetworks, parsePorts } from "@posthaste/domain";
import { httpUrl, integer, LOG_LEVELS, oneOf, parsed, text } from "@posthaste/runtime";
import { parseSealingKeys } from "@posthaste/store";

/** What the worker reads from its environment. Temporal's own variables (`TEMPORAL_…`) are read by its SDK. */
export const WORKER_SETTINGS = {
  DATABASE_URL: text(
    "The database: `mysql://USER:PASSWORD@HOST:PORT/NAME`, or `sqlite:PATH`",
    undefined,
    /^(mysql|sqlite):/,
    "mysql://… or sqlite:PATH",
  ),
  POSTHASTE_DATABASE_POOL_SIZE: integer("Connections to MySQL held by one process", 10, { min: 1, max: 200 }),
  POSTHASTE_WORKER_HOST: text("The address on which the worker takes nudges and health checks", "127.0.0.1"),
  POSTHASTE_WORKER_PORT: integer("The port for that; 0 takes a free one", 8081, { min: 0, max: 65535 }),
  POSTHASTE_DISPATCH_INTERVAL_MS: integer(
    "How often the dispatcher looks for pending deliveries when nobody nudges it, in milliseconds",
    250,
    { min: 10, max: 60_000 },
  ),
  POSTHASTE_DISPATCH_BATCH: integer("Deliveries claimed at once", 100, { min: 1, max: 1_000 }),
  POSTHASTE_DISPATCH_LEASE_MS: integer(
    "How long a claimed delivery is left to the worker that claimed it, in milliseconds; after a crash, how long until another starts it",
    30_000,
    { min: 1_000, max: 600_000 },
  ),
  POSTHASTE_IN_FLIGHT_MAX: integer(
    "First attempts of one subscription under way at once, so that one that hangs leaves room for the others",
    32,
    { min: 1, max: 10_000 },
  ),
  POSTHASTE_ATTEMPTS_MAX: integer("Attempts under way at once in one process", 200, { min: 1, max: 10_000 }),
  POSTHASTE_RECONCILE_INTERVAL_MS: integer(
    "How often overdue deliveries are held against Temporal, in milliseconds",
    15_000,
    { min: 100, max: 3_600_000 },
  ),
  POSTHASTE_SECRET_KEYS: parsed(
    "The keys that secrets are sealed with in the database, as `ID:KEY,ID:KEY…`, each KEY the Base64 of 32 random bytes (`openssl rand -base64 32`); the first seals, all open",
    undefined,
    "",
    parseSealingKeys,
  ),
  POSTHASTE_EGRESS_ALLOW: parsed(
    "Networks that deliveries may reach although they are not public, such as `10.1.0.0/16,fd00::/8`; every other address that is not public is blocked",
    [],
    "none",
    parseNetworks,
  ),
  POSTHASTE_EGRESS_PORTS: parsed(
    "Ports that deliveries are sent to; those below 1024 belong to other protocols, but for HTTP's own",
    EGRESS_PORTS_DEFAULT,
    formatPorts(EGRESS_PORTS_DEFAULT),
    parsePorts,
  ),
  POSTHASTE_EGRESS_PROXY: parsed(
    "An HTTP proxy that every delivery goes through (CONNECT), as `http://USER:PASSWORD@HOST:PORT`; the proxy gets the address that was checked",
    null,
    "none",
    httpUrl,
  ),
  POSTHASTE_LOG_LEVEL: oneOf("The least important lines to log", "info", LOG_LEVELS),
} as const;
