import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import type { SqliteDatabase, SqliteStatement } from "kysely";

/** Node's own SQLite, with the interface that Kysely expects. Its errors carry SQLite's names as `code`. */
export type SqliteFile = SqliteDatabase & {
  /** Whether a transaction is open; false after SQLite rolled one back by itself. */
  readonly isTransaction: boolean;
  /** Sets or reads a `PRAGMA`. */
  pragma(text: string): unknown;
};

/**
 * Opens a database file, and creates it if it does not exist. A taken lock fails at once with `SQLITE_BUSY`:
 * callers wait without blocking the event loop, see `sqlite-connection.ts`.
 */
export function openSqliteFile(path: string): SqliteFile {
  const database = withErrorName(() => new DatabaseSync(path, { timeout: 0 }));
  return {
    get isTransaction() {
      // Closing the file rolls an open transaction back, and Node would throw here.
      return database.isOpen && database.isTransaction;
    },
    pragma: (text) => withErrorName(() => Object.values(database.prepare(`pragma ${text}`).get() ?? {})[0]),
    prepare: (sql) => withErrorName(() => statementOf(sql, database.prepare(sql))),
    close: () => {
      if (database.isOpen) database.close();
    },
  };
}

function statementOf(sql: string, statement: StatementSync): SqliteStatement {
  const wanted = parametersIn(sql);
  const bound = (parameters: readonly unknown[]) => boundTo(wanted, parameters);
  return {
    reader: statement.columns().length > 0,
    all: (parameters) =>
      withErrorName(() => {
        const rows = statement.all(...bound(parameters));
        for (const row of rows) withBuffers(row);
        return rows;
      }),
    run: (parameters) => withErrorName(() => statement.run(...bound(parameters))),
    *iterate(parameters) {
      for (const row of statement.iterate(...bound(parameters))) yield withBuffers(row);
    },
  };
}

/**
 * Turns bytes into Buffers. It checks values and not columns, since SQLite prepares a statement again if
 * another process has added a column.
 */
function withBuffers(row: Record<string, unknown>): Record<string, unknown> {
  for (const name in row) {
    const value = row[name];
    if (value instanceof Uint8Array)
      row[name] = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  }
  return row;
}

/** Text in quotes or in a comment, and each `?` outside of them. */
const QUOTED_OR_PARAMETER = /'[^']*'|"[^"]*"|--.*|\/\*[\s\S]*?\*\/|\?/g;

/** Counts the parameters of a statement. Kysely writes every parameter as `?`. */
function parametersIn(sql: string): number {
  let count = 0;
  for (const [found] of sql.matchAll(QUOTED_OR_PARAMETER)) if (found === "?") count += 1;
  return count;
}

/**
 * Checks the values for a statement. Node would take a leading object for named parameters, and would store
 * NULL for it, for a missing value and for NaN.
 *
 * @throws TypeError
 */
function boundTo(wanted: number, parameters: readonly unknown[]): readonly SQLInputValue[] {
  if (parameters.length !== wanted) {
    throw new TypeError(`expected ${wanted} parameters, got ${parameters.length}`);
  }
  parameters.forEach((value, i) => {
    if (!isBindable(value)) throw new TypeError(`parameter ${i + 1} is ${kindOf(value)}`);
  });
  return parameters as readonly SQLInputValue[];
}

function isBindable(value: unknown): boolean {
  switch (typeof value) {
    case "string":
    case "bigint":
      return true;
    case "number":
      return !Number.isNaN(value);
    default:
      return value === null || value instanceof Uint8Array;
  }
}

/** Describes a value without showing it, since it may be a secret. */
function kindOf(value: unknown): string {
  if (value === undefined) return "undefined";
  if (typeof value === "number") return "NaN";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** The result codes of SQLite that the product distinguishes: https://sqlite.org/rescode.html. */
const NAMES: Readonly<Record<number, string>> = {
  5: "SQLITE_BUSY",
  6: "SQLITE_LOCKED",
  7: "SQLITE_NOMEM",
  8: "SQLITE_READONLY",
  10: "SQLITE_IOERR",
  11: "SQLITE_CORRUPT",
  13: "SQLITE_FULL",
  14: "SQLITE_CANTOPEN",
  // The lock of the log could not be taken, although it was tried for seconds.
  15: "SQLITE_PROTOCOL",
  19: "SQLITE_CONSTRAINT",
  26: "SQLITE_NOTADB",
  1555: "SQLITE_CONSTRAINT_PRIMARYKEY",
  2067: "SQLITE_CONSTRAINT_UNIQUE",
};
/** The lowest byte of an extended code is its primary code. */
const PRIMARY = 0xff;

/**
 * Gives SQLite's errors their names. Node gives all of them one code, with the number beside it; logs and
 * callers want the name.
 */
function withErrorName<T>(run: () => T): T {
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
