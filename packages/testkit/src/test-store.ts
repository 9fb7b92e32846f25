import { randomBytes } from "node:crypto";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { closeStore, migrate, openStore, type Store } from "@posthaste/store";
import { sql } from "kysely";

export type TestStore = {
  readonly store: Store;
  /** What another process opens it by. */
  readonly url: string;
  dispose(): Promise<void>;
};

/** A migrated database of its own, gone after `dispose`. */
export async function createTestStore(backend: "sqlite" | "mysql"): Promise<TestStore> {
  if (backend === "mysql") {
    const test = await createEmptyStore("mysql");
    await migrate(test.store);
    return test;
  }
  // Migrated once, then copied: a file copy is some fifty times faster.
  template ??= migratedFile();
  return await openSqlite(temporaryDir(), await template);
}

/** The same without any table. */
export async function createEmptyStore(backend: "sqlite" | "mysql"): Promise<TestStore> {
  return backend === "sqlite" ? await openSqlite(temporaryDir()) : await createMysql();
}

let template: Promise<string> | undefined;

async function openSqlite(dir: string, copyOf?: string): Promise<TestStore> {
  const path = join(dir, "test.db");
  if (copyOf !== undefined) copyFileSync(copyOf, path);
  const url = `sqlite:${path}`;
  const store = await openStore({ url });
  return {
    store,
    url,
    async dispose() {
      await closeStore(store);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

async function migratedFile(): Promise<string> {
  const dir = temporaryDir();
  process.once("exit", () => rmSync(dir, { recursive: true, force: true }));
  const path = join(dir, "template.db");
  const store = await openStore({ url: `sqlite:${path}` });
  await migrate(store);
  await closeStore(store);
  return path;
}

function temporaryDir(): string {
  return mkdtempSync(join(tmpdir(), "posthaste-store-"));
}

async function createMysql(): Promise<TestStore> {
  const server = process.env["POSTHASTE_TEST_MYSQL_URL"];
  if (server === undefined) throw new Error("no MySQL server; the tests' global setup starts one");
  const name = `posthaste_test_${randomBytes(8).toString("hex")}`;
  const admin = await openStore({ url: `${server}/mysql`, poolSize: 1 });
  await sql.raw(`CREATE DATABASE ${name}`).execute(admin.db);
  const url = `${server}/${name}`;
  const store = await openStore({ url });
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

/**
 * Holds SQLite's write lock, so that others can read but their writes wait: the way to stop a process exactly before
 * it writes.
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
