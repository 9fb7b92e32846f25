import { integer, parsed, text } from "@posthaste/runtime";
import { DEADLINES } from "./dialect/deadlines.ts";
import { parseSealingKeys } from "./sealer.ts";

/** What every service that opens the database reads from its environment. */
export const STORE_SETTINGS = {
  DATABASE_URL: text(
    "The database: `mysql://USER:PASSWORD@HOST:PORT/NAME`, or `sqlite:PATH`",
    undefined,
    /^(mysql|sqlite):/,
    "mysql://… or sqlite:PATH",
  ),
  POSTHASTE_DATABASE_POOL_SIZE: integer("Connections to MySQL held by one process", 10, { min: 1, max: 200 }),
  POSTHASTE_DATABASE_TIMEOUT_MS: integer(
    "How long MySQL may take to answer one statement, in milliseconds; after that its connection is taken for dead and closed, and the database for away. It must be longer than the wait for a lock (5 s); raise it where statements of a large database are cut off",
    DEADLINES.statementMs,
    { min: 6_000, max: 600_000 },
  ),
  POSTHASTE_SECRET_KEYS: parsed(
    "The keys that secrets are sealed with in the database, as `ID:KEY,ID:KEY…`, each KEY the Base64 of 32 random bytes (`openssl rand -base64 32`); the first seals, all open",
    undefined,
    "",
    parseSealingKeys,
  ),
} as const;
