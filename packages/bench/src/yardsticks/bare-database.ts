import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { createConnection } from "mysql2/promise";
import type { Database as DatabaseName } from "../report/results.ts";

/** A table beside the product's, with the same driver and the same durable settings. */
export type BareDatabase = {
  /** The version of the server or library, and its durable settings. */
  readonly settings: string;
  /** The number of the database's process; undefined without one on this machine. */
  readonly pid: number | undefined;
  /** Inserts rows in one transaction, with one statement. */
  insert(rows: number): Promise<void>;
  close(): Promise<void>;
};

/** The size of an ordinary event. */
const ROW_BYTES = 500;
const data = Buffer.alloc(ROW_BYTES, "x");
const rowOf = () => [randomBytes(13).toString("hex"), data];

/**
 * Creates the table.
 *
 * @param where.dir the folder for SQLite's file, on the same disk as the product's
 * @param where.url the URL of the MySQL database
 * @throws Error if the MySQL server does not flush every commit to disk
 */
export async function openBareDatabase(
  database: DatabaseName,
  where: { readonly dir: string; readonly url: string },
): Promise<BareDatabase> {
  return database === "sqlite" ? openSqlite(where.dir) : await openMysql(where.url);
}

function openSqlite(dir: string): BareDatabase {
  const db = new DatabaseSync(join(dir, "bare.db"));
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  db.exec("CREATE TABLE bare (id TEXT NOT NULL PRIMARY KEY, data BLOB NOT NULL) STRICT");
  const statements = new Map<number, StatementSync>();
  return {
    settings: `SQLite ${process.versions["sqlite"]}, WAL, synchronous=FULL`,
    pid: undefined,
    async insert(rows) {
      const statement = statements.get(rows) ?? db.prepare(insertOf(rows));
      statements.set(rows, statement);
      statement.run(...Array.from({ length: rows }, rowOf).flat());
    },
    async close() {
      db.close();
    },
  };
}

async function openMysql(url: string): Promise<BareDatabase> {
  const connection = await createConnection(url);
  await connection.query(
    "CREATE TABLE bare (id VARCHAR(30) NOT NULL PRIMARY KEY, data LONGBLOB NOT NULL) ENGINE=InnoDB",
  );
  const [[server]] = (await connection.query(
    "SELECT VERSION() AS version, @@pid_file AS pidFile, @@innodb_flush_log_at_trx_commit AS flush, @@sync_binlog AS binlog, @@log_bin AS logs",
  )) as unknown as [
    { version: string; pidFile: string; flush: number; binlog: number; logs: number }[],
    unknown,
  ];
  if (server?.flush !== 1) throw new Error("the MySQL server does not flush every commit to disk");
  return {
    settings: `${server.version}, innodb_flush_log_at_trx_commit=1, ${server.logs ? `sync_binlog=${server.binlog}` : "no binary log"}`,
    pid: pidIn(server.pidFile),
    async insert(rows) {
      await connection.execute(insertOf(rows), Array.from({ length: rows }, rowOf).flat());
    },
    close: () => connection.end(),
  };
}

function insertOf(rows: number): string {
  return `INSERT INTO bare (id, data) VALUES ${Array.from({ length: rows }, () => "(?, ?)").join(", ")}`;
}

function pidIn(path: string): number | undefined {
  try {
    return Number(readFileSync(path, "utf8"));
  } catch {
    // The server runs on another machine, so its CPU and memory are not measured.
    return undefined;
  }
}
