import { dirname } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { MINUTE_MS } from "@posthaste/domain";
import { makeFolder, StartError } from "@posthaste/runtime";
import {
  CompiledQuery,
  type DatabaseConnection,
  type DialectAdapter,
  type Driver,
  type QueryCompiler,
  SqliteAdapter,
  SqliteDialect,
  SqliteDriver,
  sql,
} from "kysely";
import { FewTextsCompiler } from "./few-texts.ts";
import { createPlaces } from "./places.ts";
import { createRefusedWrites } from "./refused-writes.ts";
import { type AwayReason, codeOf, firstReason, hasCause, type Seam } from "./seam.ts";
import { type SqliteParts, sqliteConnection } from "./sqlite-connection.ts";
import { openSqliteFile } from "./sqlite-database.ts";
import { type LogDisk, syncLogOf } from "./sync-log.ts";

/**
 * SQLite's codes for an unavailable database, and the code of `DeadlinePassed`. Not of a damaged file, which
 * does not mend by itself.
 */
const AWAY = /^(SQLITE_(BUSY|LOCKED|NOMEM|IOERR|CANTOPEN|FULL|READONLY|PROTOCOL)|ETIMEDOUT$)/;
/** Those of them with which a file that can be read refuses every write. */
const REFUSES_WRITES = /^SQLITE_(FULL|READONLY|CANTOPEN)/;
/** Those of them of which no row is the cause. A failed flush is one: see `sync-log.ts`. */
const EVERYBODYS = new RegExp(`${REFUSES_WRITES.source}|^SQLITE_IOERR_FSYNC$`);
/** Why a file is unavailable, by the code. */
const REASONS: readonly (readonly [AwayReason, (cause: unknown) => boolean])[] = [
  ["full", (cause) => codeOf(cause) === "SQLITE_FULL"],
  ["read_only", (cause) => codeOf(cause).startsWith("SQLITE_READONLY")],
  ["unreachable", (cause) => codeOf(cause).startsWith("SQLITE_CANTOPEN")],
  ["silent", (cause) => /^(SQLITE_(BUSY|LOCKED)|ETIMEDOUT$)/.test(codeOf(cause))],
];
/** SQLite's codes for a row that it refuses. */
const REFUSAL = /^SQLITE_(CONSTRAINT|MISMATCH|TOOBIG)/;

/**
 * The embedded database: one file, shared by the API and the worker of one machine.
 *
 * @param disk Default: the disk that the file is on
 */
export function sqliteSeam(path: string, disk?: LogDisk): Seam {
  makeFolder(dirname(path));
  const database = openSqliteFile(path);
  const journal = database.pragma("journal_mode = WAL");
  if (journal !== "wal")
    throw new StartError(
      "SQLite keeps no write-ahead log there: set DATABASE_URL to sqlite: and the path of a file",
    );
  // An accepted event must survive a power cut. NORMAL alone would lose the last commits, so `sync-log.ts`
  // flushes them.
  database.pragma("synchronous = NORMAL");
  const log = syncLogOf(path, disk);
  const refusedWrites = createRefusedWrites((error) => REFUSES_WRITES.test(codeOf(error)));
  return {
    name: "sqlite",
    dialect: new PatientSqliteDialect({ database, log, onError: refusedWrites.note }),
    checkWrites: refusedWrites.check,
    readClock: null,
    clearTextWarning: undefined,
    // It flushes by itself; see `sync-log.ts`.
    durabilityRisks: async () => [],
    close: async () => close({ database, log }),
    locksRows: false,
    isDuplicate: (error) => /^SQLITE_CONSTRAINT_(UNIQUE|PRIMARYKEY)$/.test(codeOf(error)),
    // Statements wait for the lock, and a transaction that has begun holds it.
    isContention: () => false,
    isLockTimeout: () => false,
    isAway: (error) => hasCause(error, (cause) => AWAY.test(codeOf(cause))),
    isEverybodys: (error) => hasCause(error, (cause) => EVERYBODYS.test(codeOf(cause))),
    whyAway: (error) => firstReason(error, REASONS),
    isRefusal: (error) => hasCause(error, (cause) => REFUSAL.test(codeOf(cause))),
    byIndex: (index) => `indexed by ${index}`,
    byPrimaryKey: "",
    // Node's SQLite is built without limits of deletions.
    deleteFirst: (table, first) =>
      sql`delete from ${table} where rowid in (select rowid from ${table} ${first})`,
    jsonArrayOf: (column) => sql`json_group_array(${column})`,
    columns: {
      serial: "INTEGER PRIMARY KEY AUTOINCREMENT",
      long: "INTEGER",
      int: "INTEGER",
      time: "INTEGER",
      text: () => "TEXT",
      longText: "TEXT",
      bytes: "BLOB",
      hash: "BLOB",
      halfHash: "BLOB",
      tableEnd: "STRICT",
      clusteredTableEnd: "STRICT, WITHOUT ROWID",
    },
  };
}

/**
 * Closes the database, which copies the log into it. A log that is not sound after a failed flush must not be
 * copied: it stays as it is until the process has exited, and whoever opens it next makes it sound.
 */
function close({ database, log }: Pick<SqliteParts, "database" | "log">): void {
  if (!log.hasFailed()) database.close();
}

class PatientSqliteDialect extends SqliteDialect {
  readonly #config: SqliteParts;

  constructor(config: SqliteParts) {
    super(config);
    this.#config = config;
  }

  override createAdapter(): DialectAdapter {
    return new TransactionalSqliteAdapter();
  }

  override createDriver(): Driver {
    return new PatientSqliteDriver(this.#config);
  }

  override createQueryCompiler(): QueryCompiler {
    return new FewTextsCompiler();
  }
}

/**
 * Kysely runs SQLite's migrations without a transaction, and so without a lock. SQLite can alter tables in a
 * transaction, which makes migrations all or nothing and lets two processes migrate in turn.
 */
class TransactionalSqliteAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }

  /**
   * True, although there is one connection: the driver below keeps callers apart. Kysely would do so only
   * until the end of a release, which here takes a turn of the event loop.
   */
  override get supportsMultipleConnections(): boolean {
    return true;
  }
}

/** How long a caller waits for other callers of its process. A longer wait means that one of them hangs. */
const PLACE_WAIT_MS = MINUTE_MS;

class PatientSqliteDriver extends SqliteDriver {
  readonly #parts: SqliteParts;
  readonly #place = createPlaces(1);
  #connection: DatabaseConnection | undefined;

  constructor(parts: SqliteParts) {
    super({ database: parts.database });
    this.#parts = parts;
  }

  /** Waits for the only connection, which one caller holds at a time. */
  override async acquireConnection(): Promise<DatabaseConnection> {
    await this.#place.take({ withinMs: PLACE_WAIT_MS, isFirst: false });
    this.#connection ??= sqliteConnection(this.#parts);
    return this.#connection;
  }

  /**
   * Waits for a turn of the event loop. SQLite answers without one, so a caller that queries again and again
   * would keep everybody else from theirs. The next caller in line has the connection already.
   */
  override async releaseConnection(): Promise<void> {
    this.#place.give();
    await turn();
  }

  /**
   * Takes the write lock first: a transaction that reads and then writes fails if another process wrote in
   * between.
   */
  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw("begin immediate"));
  }

  /**
   * Rolls back only an open transaction. A commit whose flush failed leaves none, and its caller must see the
   * original error, not that there is nothing to roll back.
   */
  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    if (this.#parts.database.isTransaction) await super.rollbackTransaction(connection);
  }

  override async destroy(): Promise<void> {
    this.#place.close(new Error("the database is closed"));
    close(this.#parts);
    this.#parts.log.close();
  }
}
