import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import Database from "better-sqlite3";
import { CompiledQuery, type DatabaseConnection, type Driver, SqliteDialect, SqliteDriver } from "kysely";
import { codeOf, type Seam } from "./seam.ts";

/**
 * How long a statement waits for another process's write, blocking this process meanwhile. Shorter than the heartbeat
 * timeout of a running attempt (5 s); what takes longer is tried again without blocking.
 */
const BUSY_TIMEOUT_MS = 2_000;

/** The embedded database: one file, shared by the API and the worker of one machine. */
export function sqliteSeam(path: string): Seam {
  mkdirSync(dirname(path), { recursive: true });
  const database = new Database(path, { timeout: BUSY_TIMEOUT_MS });
  database.pragma("journal_mode = WAL");
  // An accepted event must survive a power cut; in WAL mode NORMAL would lose the last commits.
  database.pragma("synchronous = FULL");
  return {
    name: "sqlite",
    dialect: new ImmediateSqliteDialect({ database }),
    locksRows: false,
    isDuplicate: (error) => /^SQLITE_CONSTRAINT_(UNIQUE|PRIMARYKEY)$/.test(codeOf(error)),
    isContention: (error) => codeOf(error).startsWith("SQLITE_BUSY"),
    isAway: (error) => /^SQLITE_(BUSY|LOCKED|IOERR|CANTOPEN|FULL|READONLY)/.test(codeOf(error)),
    columns: {
      serial: "INTEGER PRIMARY KEY AUTOINCREMENT",
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

class ImmediateSqliteDialect extends SqliteDialect {
  readonly #config: { database: Database.Database };

  constructor(config: { database: Database.Database }) {
    super(config);
    this.#config = config;
  }

  override createDriver(): Driver {
    return new ImmediateSqliteDriver(this.#config);
  }
}

/** A transaction that first reads and then writes fails when another process wrote in between; so take the lock first. */
class ImmediateSqliteDriver extends SqliteDriver {
  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw("begin immediate"));
  }
}
