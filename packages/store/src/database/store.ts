import { statSync } from "node:fs";
import { asOne, StartError } from "@posthaste/runtime";
import { Kysely, sql } from "kysely";
import { Contended } from "./contended.ts";
import { DEADLINES, type Deadlines, within } from "./dialect/deadlines.ts";
import { mysqlSeam } from "./dialect/mysql.ts";
import { readMysqlUrl } from "./dialect/mysql-url.ts";
import type { Seam } from "./dialect/seam.ts";
import { sqliteSeam } from "./dialect/sqlite.ts";
import { createKeySecret } from "./key-secret.ts";
import { createSealer, type Sealer, type SealingKeys } from "./sealer.ts";
import type { Tables } from "./tables.ts";

/** An open database. Opaque outside this package. */
export type Store = {
  readonly db: Kysely<Tables>;
  readonly seam: Seam;
  readonly sealer: Sealer;
  /** See {@link createKeySecret}. It takes a connection, so nobody asks for it within a transaction. */
  readonly keySecret: () => Promise<Buffer>;
  /** Maximum connections: how many statements the database answers at once. */
  readonly connections: number;
  /** See {@link pingStore}. */
  readonly ping: () => Promise<void>;
};

export type StoreOptions = {
  /** `mysql://USER:PASSWORD@HOST:PORT/NAME` with parameters for TLS, or `sqlite:PATH`. */
  readonly url: string;
  /** Maximum connections to MySQL; SQLite has one. Default: 10. */
  readonly poolSize?: number;
  /** Needed to create subscriptions, to read their secrets and to make attempts. */
  readonly secretKeys?: SealingKeys | undefined;
  /** How long the database may keep callers waiting. Default: {@link DEADLINES}. */
  readonly deadlines?: Partial<Deadlines>;
};

const POOL_SIZE_DEFAULT = 10;
const SQLITE_URL = /^sqlite:./;

/**
 * Opens a database. MySQL is connected to at the first query; SQLite's file is created if it does not exist.
 *
 * @throws Error for any other kind of URL; see {@link databaseUrl}. StartError if a file of the URL cannot be
 *   used
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const deadlines = { ...DEADLINES, ...options.deadlines };
  const seam = seamFor(options, deadlines);
  const sealer = createSealer(options.secretKeys);
  const db = new Kysely<Tables>({ dialect: seam.dialect });
  const ask = async () => {
    seam.checkWrites();
    if (seam.ping === undefined) await sql`select 1`.execute(db);
    else await seam.ping();
  };
  const connections = SQLITE_URL.test(options.url) ? 1 : (options.poolSize ?? POOL_SIZE_DEFAULT);
  const keySecret = createKeySecret({ db, sealer });
  return { db, seam, sealer, keySecret, connections, ping: boundPing(ask, deadlines.pingMs) };
}

/**
 * Opens a database that exists. A mistyped path of SQLite's would make another file.
 *
 * @throws StartError if the file does not exist; what {@link openStore} throws
 */
export async function openExistingStore(options: StoreOptions): Promise<Store> {
  if (!lacksFile(options.url)) return await openStore(options);
  throw new StartError("the database's file does not exist: check DATABASE_URL, or run npm run migrate");
}

function lacksFile(url: string): boolean {
  const path = SQLITE_URL.test(url) ? url.slice("sqlite:".length) : ":memory:";
  return path !== ":memory:" && statSync(path, { throwIfNoEntry: false }) === undefined;
}

/** Closes every connection within seconds. Statements still in flight on a silent connection are cut off. */
export async function closeStore(store: Store): Promise<void> {
  await store.db.destroy();
  await store.seam.close();
}

/**
 * Resolves if the database answers within {@link Deadlines.pingMs}, and as far as is known would take a
 * write: it is not read-only, and did not lately refuse one as it would refuse any. Concurrent callers share
 * one query, so probes of a silent database hold one connection, not one each.
 */
export async function pingStore(store: Store): Promise<void> {
  await store.ping();
}

/**
 * Says what the database's server would lose in a power cut by its settings, in one sentence.
 *
 * @returns undefined if it would lose nothing, or does not tell its settings
 */
export async function durabilityWarning({ db, seam }: Store): Promise<string | undefined> {
  const risks = await seam.durabilityRisks(db);
  if (risks.length === 0) return undefined;
  const each = risks.map(({ setting, value, loses, set }) => `${loses} (${setting} is ${value}: set ${set})`);
  return `in a power cut the database's server would lose ${each.join("; and ")}`;
}

/** Says that a network carries passwords and data in clear text, unless the database's URL says so itself. */
export function clearTextWarning({ seam }: Store): string | undefined {
  return seam.clearTextWarning;
}

function boundPing(ask: () => Promise<void>, pingMs: number): () => Promise<void> {
  const ping = asOne(ask);
  return async () => {
    await within(pingMs, ping(), `the database did not answer a ping within ${pingMs} ms`);
  };
}

/**
 * Returns whether an error means that the database is unavailable, or that others kept coming first, so that
 * the same call may succeed later.
 */
export function isStoreAway(store: Store, error: unknown): boolean {
  return error instanceof Contended || store.seam.isAway(error);
}

/**
 * Returns whether an error means that the database refuses a row itself (a value that does not fit, a broken
 * constraint), and would refuse it again.
 */
export function isRowRefused(store: Store, error: unknown): boolean {
  return store.seam.isRefusal(error);
}

/**
 * Checks a database's URL.
 *
 * @returns the URL unchanged
 * @throws Error that says what is wrong; it does not repeat the URL, which may hold a password
 */
export function databaseUrl(url: string): string {
  if (!SQLITE_URL.test(url)) readMysqlUrl(url);
  return url;
}

function seamFor({ url, poolSize = POOL_SIZE_DEFAULT }: StoreOptions, deadlines: Deadlines): Seam {
  return SQLITE_URL.test(url)
    ? sqliteSeam(url.slice("sqlite:".length))
    : mysqlSeam(readMysqlUrl(url), poolSize, deadlines);
}
