import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { sql } from "kysely";
import { vi } from "vitest";
import type { Store } from "../src/index.ts";

export type Looked = {
  /** Rows and index entries that were read; 0 on SQLite, which does not tell. */
  readonly rows: number;
  /** How SQLite looked for deliveries or their changes otherwise than by a key of few rows; none on MySQL. */
  readonly scans: readonly string[];
};

/**
 * What a call makes the database look at: MySQL counts for each connection what it read, SQLite tells how it
 * means to find the rows of a statement.
 *
 * @param store has one connection
 */
export async function lookedAt(url: string, store: Store, call: () => Promise<unknown>): Promise<Looked> {
  if (store.seam.name === "sqlite") return { rows: 0, scans: await scansOf(url, call) };
  const before = await rowsRead(store);
  await call();
  return { rows: (await rowsRead(store)) - before, scans: [] };
}

async function rowsRead(store: Store): Promise<number> {
  const { rows } = await sql<{ Value: string }>`show session status like 'Handler_read%'`.execute(store.db);
  return rows.reduce((sum, { Value }) => sum + Number(Value), 0);
}

/** Keys that lead to few rows, or to where the wanted ones begin. */
const NARROW = new RegExp(
  [
    "\\b(row|event_|delivery_)?id[=<>]",
    "subscription_id[=>]",
    "in_flight_of=",
    "account_id=\\? AND state=",
    "reconcile_after<",
    "batch[=>]",
  ].join("|"),
);

async function scansOf(url: string, call: () => Promise<unknown>): Promise<string[]> {
  const run = await statementsOf(call);
  const database = new DatabaseSync(url.slice("sqlite:".length), { readOnly: true });
  const scans: string[] = [];
  for (const [text, values] of run) {
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

/** What is run meanwhile, by its text, with values: a plan may depend on them. */
async function statementsOf(call: () => Promise<unknown>): Promise<Map<string, SQLInputValue[]>> {
  const run = new Map<string, SQLInputValue[]>();
  const prepare = DatabaseSync.prototype.prepare;
  const spy = vi.spyOn(DatabaseSync.prototype, "prepare").mockImplementation(function (
    this: DatabaseSync,
    text: string,
  ) {
    const statement = prepare.call(this, text);
    for (const method of ["all", "run"] as const) {
      const original: (...values: SQLInputValue[]) => unknown = statement[method].bind(statement);
      const noting = (...values: SQLInputValue[]) => {
        run.set(text, values);
        return original(...values);
      };
      Object.assign(statement, { [method]: noting });
    }
    return statement;
  });
  await call();
  spy.mockRestore();
  return run;
}
