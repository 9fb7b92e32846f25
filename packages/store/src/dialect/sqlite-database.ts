import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import type { SqliteDatabase, SqliteStatement } from "kysely";

/** Node's own SQLite with the face that Kysely asks for. Its errors carry SQLite's names as `code`. */
export type SqliteFile = SqliteDatabase & {
  /** Whether a transaction is open: also one that SQLite rolled back by itself is over. */
  readonly isTransaction: boolean;
  /** Sets or reads a `PRAGMA`. */
  pragma(text: string): unknown;
};

/**
 * Opens a database file and creates it where there is none. A lock that is taken fails at once with `SQLITE_BUSY`:
 * whoever waits, waits beside the event loop; see `sqlite-connection.ts`.
 */
export function openSqliteFile(path: string): SqliteFile {
  const database = toldByName(() => new DatabaseSync(path, { timeout: 0 }));
  return {
    get isTransaction() {
      return database.isTransaction;
    },
    pragma: (text) => toldByName(() => Object.values(database.prepare(`pragma ${text}`).get() ?? {})[0]),
    prepare: (sql) => toldByName(() => statementOf(database.prepare(sql))),
    close: () => {
      if (database.isOpen) database.close();
    },
  };
}

function statementOf(statement: StatementSync): SqliteStatement {
  const columns = statement.columns();
  // A computed column has no declared type; what it holds shows in each row.
  const blobs = columns.filter(({ type }) => type === "BLOB" || type === null).map(({ name }) => name);
  const withBuffers = (row: Record<string, unknown>) => {
    for (const name of blobs) {
      const value = row[name];
      if (value instanceof Uint8Array)
        row[name] = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    }
    return row;
  };
  const bound = (parameters: readonly unknown[]) => parameters as readonly SQLInputValue[];
  return {
    reader: columns.length > 0,
    all: (parameters) =>
      toldByName(() => {
        const rows = statement.all(...bound(parameters));
        if (blobs.length > 0) for (const row of rows) withBuffers(row);
        return rows;
      }),
    run: (parameters) => toldByName(() => statement.run(...bound(parameters))),
    *iterate(parameters) {
      for (const row of statement.iterate(...bound(parameters))) yield withBuffers(row);
    },
  };
}

/** SQLite's result codes, as far as the product tells them apart: https://sqlite.org/rescode.html. */
const NAMES: Readonly<Record<number, string>> = {
  5: "SQLITE_BUSY",
  6: "SQLITE_LOCKED",
  8: "SQLITE_READONLY",
  10: "SQLITE_IOERR",
  13: "SQLITE_FULL",
  14: "SQLITE_CANTOPEN",
  19: "SQLITE_CONSTRAINT",
  1555: "SQLITE_CONSTRAINT_PRIMARYKEY",
  2067: "SQLITE_CONSTRAINT_UNIQUE",
};
/** An extended code keeps its primary one in the lowest byte. */
const PRIMARY = 0xff;

/** Node gives every error of SQLite one code and its number beside it; logs and callers want the name. */
function toldByName<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    const number = error instanceof Error && "errcode" in error ? Number(error.errcode) : undefined;
    if (number === undefined) throw error;
    throw Object.assign(error as Error, {
      code: NAMES[number] ?? NAMES[number & PRIMARY] ?? `SQLITE_${number}`,
    });
  }
}
