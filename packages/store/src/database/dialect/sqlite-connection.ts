import { setTimeout as sleep } from "node:timers/promises";
import type { CompiledQuery, DatabaseConnection, QueryResult, SqliteStatement } from "kysely";
import { LRUCache } from "lru-cache";
import { codeOf } from "./seam.ts";
import type { SqliteFile } from "./sqlite-database.ts";
import type { LogSync } from "./sync-log.ts";

/**
 * How long a statement waits for another process's write. A write takes milliseconds; a longer wait means
 * that the other process hangs.
 */
const BUSY_WAIT_MS = 10_000;
/**
 * The first pause before a taken lock is tried again. The pauses grow, so that many waiters do not keep a
 * core busy.
 */
const BUSY_PAUSE_MS = 1;
const BUSY_PAUSE_MAX_MS = 25;
/**
 * Prepared statements that are kept; the least recently used is dropped first. Each takes some kilobytes. The
 * code has a few hundred, and those with a list have up to ten texts (see `few-texts.ts`), so all statements
 * of a process fit. That matters: Node cannot close a dropped statement and frees it only at a full garbage
 * collection.
 */
const STATEMENTS_MAX = 1_024;

/** What a connection works with. */
export type SqliteParts = {
  readonly database: SqliteFile;
  readonly log: LogSync;
  /** Called with the error of each statement that fails. */
  readonly onError: (error: unknown) => void;
};

/**
 * A connection that keeps its statements prepared, since preparing a statement mostly costs more than running
 * it. It waits for another process's write and for the disk without blocking this process: SQLite's own wait
 * would stop the event loop, and with it the heartbeats of attempts in flight.
 */
export function sqliteConnection({ database, log, onError }: SqliteParts): DatabaseConnection {
  const prepare = keepPrepared(database);
  const run = <R>({ sql, parameters }: CompiledQuery): QueryResult<R> => {
    const statement = prepare(sql);
    if (statement.reader) return { rows: statement.all(parameters) as R[] };
    const { changes, lastInsertRowid } = statement.run(parameters);
    return { numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid), rows: [] };
  };
  return {
    async executeQuery<R>(query: CompiledQuery) {
      let endAt = 0;
      for (let pauseMs = BUSY_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, BUSY_PAUSE_MAX_MS)) {
        try {
          // Never within a transaction: only what ends one can fail to be flushed.
          if (!log.isSound()) await makeSound(database, log);
          const result = run<R>(query);
          // The statement ended a write: it is a commit, or its own transaction.
          if (result.numAffectedRows !== undefined && !database.isTransaction) await log.flush();
          return result;
        } catch (error) {
          if (codeOf(error) !== "SQLITE_BUSY") {
            onError(error);
            throw error;
          }
          if (endAt === 0) endAt = performance.now() + BUSY_WAIT_MS;
          else if (performance.now() > endAt) throw error;
        }
        await sleep(pauseMs * (0.5 + Math.random() / 2));
      }
    },
    streamQuery() {
      throw new Error("rows cannot be streamed: a stream would keep every other caller waiting");
    },
  };
}

/**
 * Makes the log sound under SQLite's write lock.
 *
 * @throws Error with the code SQLITE_BUSY if another process holds the lock
 */
async function makeSound(database: SqliteFile, log: LogSync): Promise<void> {
  // A read creates the log's file, if it does not exist.
  database.pragma("schema_version");
  if (log.isEmpty()) return;
  database.prepare("begin immediate").run([]);
  try {
    await log.makeSound();
  } finally {
    if (database.isTransaction) database.prepare("rollback").run([]);
  }
}

/**
 * Returns a function that prepares statements and keeps them, dropping the least recently used. SQLite itself
 * prepares a statement again if the tables have changed.
 */
function keepPrepared(database: SqliteFile): (sql: string) => SqliteStatement {
  const statements = new LRUCache<string, SqliteStatement>({ max: STATEMENTS_MAX });
  return (sql) => {
    const known = statements.get(sql);
    if (known !== undefined) return known;
    const prepared = database.prepare(sql);
    statements.set(sql, prepared);
    return prepared;
  };
}
