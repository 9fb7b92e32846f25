import { integer, parsed } from "@posthaste/runtime";
import { DEADLINES } from "./dialect/deadlines.ts";
import { parseSealingKeys } from "./sealer.ts";
import { databaseUrl } from "./store.ts";

/** The settings of every service that opens the database. */
export const STORE_SETTINGS = {
  DATABASE_URL: parsed(
    "The database: `mysql://USER:PASSWORD@HOST:PORT/NAME`, or `sqlite:PATH`. MySQL's URL takes parameters for TLS, such as `?ssl-mode=VERIFY_IDENTITY`: see TLS to the database in docs/operations.md",
    undefined,
    "",
    databaseUrl,
  ),
  POSTHASTE_DATABASE_POOL_SIZE: integer(
    "Connections to MySQL per process. In an API, reads of many rows, such as lists and statistics, take turns at half of them",
    10,
    { min: 1, max: 200 },
  ),
  POSTHASTE_DATABASE_TIMEOUT_MS: integer(
    "How long MySQL may take to answer one statement, in milliseconds. After that its connection is closed, and the database counts as unavailable. Must be longer than a lock wait (5 s); raise it if statements on a large database are cut off",
    DEADLINES.statementMs,
    { min: 6_000, max: 600_000 },
  ),
  POSTHASTE_SECRET_KEYS: parsed(
    "The keys that seal secrets in the database, as `ID:KEY,ID:KEY…`; each KEY is the Base64 of 32 random bytes (`openssl rand -base64 32`). The first key seals, all keys open",
    undefined,
    "",
    parseSealingKeys,
  ),
} as const;
