import { Kysely, sql } from "kysely";
import { mysqlSeam } from "./dialect/mysql.ts";
import type { Seam } from "./dialect/seam.ts";
import { sqliteSeam } from "./dialect/sqlite.ts";
import { createSealer, type Sealer, type SealingKeys } from "./sealer.ts";
import type { Tables } from "./tables.ts";

/** A database and how it is spoken to. Opaque to everyone outside this package. */
export type Store = {
  readonly db: Kysely<Tables>;
  readonly seam: Seam;
  readonly sealer: Sealer;
};

export type StoreOptions = {
  /** `mysql://USER:PASSWORD@HOST:PORT/NAME` or `sqlite:PATH`. */
  readonly url: string;
  /** Connections to MySQL at most; SQLite has one. Default: 10. */
  readonly poolSize?: number;
  /** Needed by whoever creates subscriptions, reads their secrets or makes attempts. */
  readonly secretKeys?: SealingKeys | undefined;
};

const POOL_SIZE_DEFAULT = 10;

/**
 * Opens a database. MySQL is connected to at the first query; SQLite's file is created where it is missing.
 *
 * @throws Error for a URL of another kind; the URL is not repeated, since it may hold a password
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const seam = seamFor(options);
  const sealer = createSealer(options.secretKeys);
  return { db: new Kysely<Tables>({ dialect: seam.dialect }), seam, sealer };
}

export async function closeStore(store: Store): Promise<void> {
  await store.db.destroy();
}

/** Resolves if the database answers. */
export async function pingStore(store: Store): Promise<void> {
  await sql`select 1`.execute(store.db);
}

/** Whether an error says that the database is away, so that the same call may succeed later. */
export function isStoreAway(store: Store, error: unknown): boolean {
  return store.seam.isAway(error);
}

function seamFor({ url, poolSize = POOL_SIZE_DEFAULT }: StoreOptions): Seam {
  if (url.startsWith("sqlite:") && url.length > "sqlite:".length)
    return sqliteSeam(url.slice("sqlite:".length));
  if (url.startsWith("mysql://") && URL.canParse(url)) return mysqlSeam(url, poolSize);
  throw new Error("the database's URL is neither mysql://USER:PASSWORD@HOST:PORT/NAME nor sqlite:PATH");
}
