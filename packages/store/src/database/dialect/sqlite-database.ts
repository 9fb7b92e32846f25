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
 * Opens a database file and creates it where there is none. A lock that is taken fails at once with
 * `SQLITE_BUSY`: whoever waits, waits beside the event loop; see `sqlite-connection.ts`.
 */
export function openSqliteFile(path: string): SqliteFile {
  const database = toldByName(() => new DatabaseSync(path, { timeout: 0 }));
  return {
    get isTransaction() {
      // SQLite rolls back what is open when it is closed, and Node would throw.
      return database.isOpen && database.isTransaction;
    },
    pragma: (text) => toldByName(() => Object.values(database.prepare(`pragma ${text}`).get() ?? {})[0]),
    prepare: (sql) => toldByName(() => statementOf(sql, database.prepare(sql))),
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
      toldByName(() => {
        const rows = statement.all(...bound(parameters));
        for (const row of rows) withBuffers(row);
        return rows;
      }),
    run: (parameters) => toldByName(() => statement.run(...bound(parameters))),
    *iterate(parameters) {
      for (const row of statement.iterate(...bound(parameters))) yield withBuffers(row);
    },
  };
}

/** Looks at values, since SQLite prepares a statement anew where another process has added a column. */
function withBuffers(row: Record<string, unknown>): Record<string, unknown> {
  for (const name in row) {
    const value = row[name];
    if (value instanceof Uint8Array)
      row[name] = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  }
  return row;
}

/** What is written out in quotes or a comment, and each `?` outside of them. */
const QUOTED_OR_PARAMETER = /'[^']*'|"[^"]*"|--.*|\/\*[\s\S]*?\*\/|\?/g;

/** How many values a text takes. Kysely writes no parameter but `?`. */
function parametersIn(sql: string): number {
  let count = 0;
  for (const [found] of sql.matchAll(QUOTED_OR_PARAMETER)) if (found === "?") count += 1;
  return count;
}

/** Node would take an object in front for names, and store NULL for it, for what is missing, and for NaN. */
function boundTo(wanted: number, parameters: readonly unknown[]): readonly SQLInputValue[] {
  if (parameters.length !== wanted) {
    throw new TypeError(`${parameters.length} parameters for a statement with ${wanted}`);
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

/** Never the value itself, which may be a secret. */
function kindOf(value: unknown): string {
  if (value === undefined) return "undefined";
  if (typeof value === "number") return "NaN";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
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
