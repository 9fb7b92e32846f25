import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import {
  CompiledQuery,
  type DatabaseConnection,
  type DialectAdapter,
  type Driver,
  type QueryCompiler,
  SqliteAdapter,
  SqliteDialect,
  SqliteDriver,
} from "kysely";
import { FewTextsCompiler } from "./few-texts.ts";
import { createPlaces } from "./places.ts";
import { codeOf, hasCode, type Seam } from "./seam.ts";
import { sqliteConnection } from "./sqlite-connection.ts";
import { openSqliteFile, type SqliteFile } from "./sqlite-database.ts";
import { type LogSync, syncLogOf } from "./sync-log.ts";

/** SQLite's codes, and the one of `DeadlinePassed`. */
const AWAY = /^(SQLITE_(BUSY|LOCKED|IOERR|CANTOPEN|FULL|READONLY)|ETIMEDOUT$)/;

/** The embedded database: one file, shared by the API and the worker of one machine. */
export function sqliteSeam(path: string): Seam {
  mkdirSync(dirname(path), { recursive: true });
  const database = openSqliteFile(path);
  const journal = database.pragma("journal_mode = WAL");
  if (journal !== "wal") throw new Error(`SQLite cannot keep a write-ahead log beside ${path}`);
  // An accepted event must survive a power cut: NORMAL alone would lose the last commits.
  database.pragma("synchronous = NORMAL");
  const syncLog = syncLogOf(path);
  return {
    name: "sqlite",
    dialect: new PatientSqliteDialect({ database, syncLog }),
    close: async () => void database.close(),
    locksRows: false,
    isDuplicate: (error) => /^SQLITE_CONSTRAINT_(UNIQUE|PRIMARYKEY)$/.test(codeOf(error)),
    // Statements wait for their lock; once a transaction has begun, it has it.
    isContention: () => false,
    isAway: (error) => hasCode(error, (code) => AWAY.test(code)),
    byIndex: (index) => `indexed by ${index}`,
    columns: {
      serial: "INTEGER PRIMARY KEY AUTOINCREMENT",
      long: "INTEGER",
      int: "INTEGER",
      time: "INTEGER",
      text: () => "TEXT",
      longText: "TEXT",
      bytes: "BLOB",
      hash: "BLOB",
      tableEnd: "STRICT",
    },
  };
}

type SqliteParts = { readonly database: SqliteFile; readonly syncLog: LogSync };

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
 * Kysely runs SQLite's migrations without a transaction, and so without a lock. SQLite can change tables in
 * one, which makes migrations all or nothing and lets two processes migrate in turn.
 */
class TransactionalSqliteAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }

  /**
   * Kysely would keep callers apart itself, but until a release is over, which takes a turn of the event loop
   * here.
   */
  override get supportsMultipleConnections(): boolean {
    return true;
  }
}

/** How long a caller waits for others of its process. More means that one of them hangs. */
const PLACE_WAIT_MS = 60_000;

class PatientSqliteDriver extends SqliteDriver {
  readonly #database: SqliteFile;
  readonly #syncLog: LogSync;
  readonly #place = createPlaces(1);
  #connection: DatabaseConnection | undefined;

  constructor({ database, syncLog }: SqliteParts) {
    super({ database });
    this.#database = database;
    this.#syncLog = syncLog;
  }

  /** There is one, and whoever has it has it alone. */
  override async acquireConnection(): Promise<DatabaseConnection> {
    await this.#place.take({ withinMs: PLACE_WAIT_MS, isFirst: false });
    const plain = await super.acquireConnection();
    this.#connection ??= sqliteConnection(this.#database, this.#syncLog, (query, chunk) =>
      plain.streamQuery(query, chunk),
    );
    return this.#connection;
  }

  /**
   * SQLite answers without a turn of the event loop: who asks it again and again would keep everybody else
   * from theirs. The next in line has the connection meanwhile.
   */
  override async releaseConnection(): Promise<void> {
    this.#place.give();
    await turn();
  }

  /**
   * A transaction that first reads and then writes fails when another process wrote in between; so take the
   * lock first.
   */
  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw("begin immediate"));
  }

  /**
   * A commit whose flush failed has left none: what went wrong is told, and not that there is nothing to roll
   * back.
   */
  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    if (this.#database.isTransaction) await super.rollbackTransaction(connection);
  }

  override async destroy(): Promise<void> {
    this.#place.close(new Error("the database is closed"));
    await super.destroy();
    this.#syncLog.close();
  }
}
