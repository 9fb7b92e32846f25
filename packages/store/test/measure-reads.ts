import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { sql } from "kysely";
import { vi } from "vitest";
import type { Store } from "../src/index.ts";

export type Reads = {
  /** Rows and index entries read. Always 0 on SQLite, which does not count them. */
  readonly rows: number;
  /** Plan steps in which SQLite searches deliveries or their changes without a narrow key. Empty on MySQL. */
  readonly scans: readonly string[];
};

/**
 * Measures what the database reads during a call. MySQL counts the rows that each connection reads; SQLite
 * explains how it plans to find the rows of a statement.
 *
 * @param store must have exactly one connection
 */
export async function measureReads(url: string, store: Store, call: () => Promise<unknown>): Promise<Reads> {
  if (store.seam.name === "sqlite") return { rows: 0, scans: await scansOf(url, call) };
  const before = await rowsRead(store);
  await call();
  return { rows: (await rowsRead(store)) - before, scans: [] };
}

async function rowsRead(store: Store): Promise<number> {
  const { rows } = await sql<{ Value: string }>`show session status like 'Handler_read%'`.execute(store.db);
  return rows.reduce((sum, { Value }) => sum + Number(Value), 0);
}

/** Conditions of an index search that lead to few rows, or to the first row of the wanted range. */
const NARROW = new RegExp(
  [
    "\\b(row|event_|delivery_)?id[=<>]",
    "subscription_id[=>]",
    "in_flight_of=",
    "account_id=\\? AND state=",
    "state=\\? AND account_id>",
    "reconcile_after<",
    "batch[=>]",
  ].join("|"),
);

async function scansOf(url: string, call: () => Promise<unknown>): Promise<string[]> {
  const statements = await statementsOf(call);
  const database = new DatabaseSync(url.slice("sqlite:".length), { readOnly: true });
  const scans: string[] = [];
  for (const [text, values] of statements) {
    for (const row of database.prepare(`explain query plan ${text}`).all(...values)) {
      const detail = String(row["detail"]);
      if (/^(SCAN|SEARCH) (deliveries|delivery_changes)\b/.test(detail) && !NARROW.test(detail)) {
        scans.push(`${detail}: ${text.slice(0, 100)}`);
      }
    }
  }
  database.close();
  return scans;
}

/** Returns the statements that a call runs: each text with its last values, on which the plan may depend. */
async function statementsOf(call: () => Promise<unknown>): Promise<Map<string, SQLInputValue[]>> {
  const statements = new Map<string, SQLInputValue[]>();
  const prepare = DatabaseSync.prototype.prepare;
  const spy = vi.spyOn(DatabaseSync.prototype, "prepare").mockImplementation(function (
    this: DatabaseSync,
    text: string,
  ) {
    const statement = prepare.call(this, text);
    for (const method of ["all", "run"] as const) {
      const original: (...values: SQLInputValue[]) => unknown = statement[method].bind(statement);
      const recorded = (...values: SQLInputValue[]) => {
        statements.set(text, values);
        return original(...values);
      };
      Object.assign(statement, { [method]: recorded });
    }
    return statement;
  });
  await call();
  spy.mockRestore();
  return statements;
}
