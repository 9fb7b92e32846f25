import { EGRESS_PORTS_DEFAULT, formatPorts, parseNetworks, parsePorts } from "@posthaste/domain";
import { integer, LOG_LEVELS, oneOf, parsed, text, urls } from "@posthaste/runtime";
import { parseSealingKeys } from "@posthaste/store";
import { LIMIT_SETTINGS } from "./limits.ts";

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
  ...LIMIT_SETTINGS,
  POSTHASTE_DRAIN_MS: integer("How long a stop waits for requests in flight, in milliseconds", 15_000, {
    min: 0,
    max: 300_000,
  }),
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
  POSTHASTE_LOG_LEVEL: oneOf("The least important lines to log", "info", LOG_LEVELS),
} as const;
