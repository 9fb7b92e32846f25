import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  closeStore,
  migrate,
  openStore,
  parseSealingKeys,
  renewInstallation,
  type Store,
} from "@posthaste/store";
import { sql } from "kysely";
import { migrateByTemplate } from "./mysql-template.ts";
import { makeQuickDir } from "./quick-dir.ts";

/** The value of `POSTHASTE_SECRET_KEYS` for every test store. */
export const TEST_SECRET_KEYS = `test:${Buffer.alloc(32, 7).toString("base64")}`;
const secretKeys = parseSealingKeys(TEST_SECRET_KEYS);

export type TestStore = {
  readonly store: Store;
  /** The database's URL, for another process. */
  readonly url: string;
  /** Closes the store and deletes the database. */
  dispose(): Promise<void>;
};

/**
 * Creates a new, migrated database, an installation of its own.
 *
 * @param mysqlUrl the MySQL server, perhaps with parameters. Default: the test run's server
 * @param parentDir the folder in which the folder for SQLite's file is created. Default: see
 *   {@link makeQuickDir}
 */
export async function createTestStore(
  backend: "sqlite" | "mysql",
  mysqlUrl?: string,
  parentDir?: string,
): Promise<TestStore> {
  if (backend === "mysql") {
    const test = await createMysql(mysqlUrl);
    await migrateByTemplate(test.store);
    await renewInstallation(test.store, { now: Date.now() });
    return test;
  }
  // Migrated once per process, then copied, which is about fifty times faster.
  template ??= migratedFile();
  const test = await openSqlite(await template, parentDir);
  await renewInstallation(test.store, { now: Date.now() });
  return test;
}

/** Creates a new database without tables. */
export async function createEmptyStore(backend: "sqlite" | "mysql"): Promise<TestStore> {
  return backend === "sqlite" ? await openSqlite() : await createMysql();
}

let template: Promise<Buffer> | undefined;

async function openSqlite(content?: Buffer, parentDir?: string): Promise<TestStore> {
  const dir = parentDir === undefined ? makeQuickDir("store") : mkdtempSync(join(parentDir, "store-"));
  const path = join(dir, "test.db");
  if (content !== undefined) writeFileSync(path, content);
  const url = `sqlite:${path}`;
  const store = await openStore({ url, secretKeys });
  return {
    store,
    url,
    async dispose() {
      await closeStore(store);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

async function migratedFile(): Promise<Buffer> {
  const empty = await createEmptyStore("sqlite");
  await migrate(empty.store);
  // Closed before the file is read, so that the write-ahead log is merged into it.
  await closeStore(empty.store);
  const content = readFileSync(empty.url.slice("sqlite:".length));
  await empty.dispose();
  return content;
}

async function createMysql(
  server: string | undefined = process.env["POSTHASTE_TEST_MYSQL_URL"],
): Promise<TestStore> {
  if (server === undefined) throw new Error("no MySQL server; the tests' global setup starts one");
  const name = `posthaste_test_${randomBytes(8).toString("hex")}`;
  const urlOf = (database: string) => Object.assign(new URL(server), { pathname: `/${database}` }).href;
  const admin = await openStore({ url: urlOf("mysql"), poolSize: 1 });
  await sql.raw(`CREATE DATABASE ${name}`).execute(admin.db);
  const url = urlOf(name);
  const store = await openStore({ url, secretKeys });
  return {
    store,
    url,
    async dispose() {
      await closeStore(store);
      await sql.raw(`DROP DATABASE ${name}`).execute(admin.db);
      await closeStore(admin);
    },
  };
}

/** Keeps everybody from reading these tables of a MySQL database while `body` runs: their reads wait. */
export async function whileLocked(
  url: string,
  tables: readonly string[],
  body: () => Promise<void>,
): Promise<void> {
  const store = await openStore({ url, poolSize: 1 });
  await store.db.connection().execute(async (connection) => {
    await sql.raw(`lock tables ${tables.map((table) => `${table} write`).join(", ")}`).execute(connection);
    await body().finally(() => sql`unlock tables`.execute(connection));
  });
  await closeStore(store);
}

/** Counts the statements that wait for a table in a MySQL database, such as behind {@link whileLocked}. */
export async function countWaiting({ db }: Store): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*) as count from information_schema.processlist
    where db = database() and state like 'Waiting for table%'`.execute(db);
  return Number(rows[0]?.count);
}

/**
 * Holds SQLite's write lock until `release`. Other connections can read, but their writes wait, so a process
 * stops exactly before it writes.
 */
export async function lockWrites(url: string): Promise<{ release(): Promise<void> }> {
  const store = await openStore({ url });
  const transaction = await store.db.startTransaction().execute();
  return {
    async release() {
      await transaction.rollback().execute();
      await closeStore(store);
    },
  };
}

/**
 * Makes SQLite refuse to mark deliveries as started, until `allow`. A dispatcher that has started a workflow
 * gets no further; all other writes succeed, and none waits.
 */
export async function refuseMarks({ db }: Store): Promise<{ allow(): Promise<void> }> {
  await sql`
    create trigger refuse_marks before update of state on deliveries
    when old.state = 'pending' and new.state = 'started'
    begin select raise(abort, 'refused by a test'); end
  `.execute(db);
  return { allow: async () => void (await sql`drop trigger refuse_marks`.execute(db)) };
}

/**
 * Runs a statement as it is written, for what the product never does: users and their limits, killed
 * sessions, a server's variables.
 */
export async function runStatement({ db }: Store, text: string): Promise<readonly unknown[]> {
  return (await sql.raw(text).execute(db)).rows;
}

/** Marks a database as migrated by a later release, with the migration `9999-later`. */
export async function markLater({ db }: Store): Promise<void> {
  await sql`insert into kysely_migration (name, timestamp) values ('9999-later', '')`.execute(db);
}
