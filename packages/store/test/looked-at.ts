import Database from "better-sqlite3";
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
  const database = new Database(url.slice("sqlite:".length), { readonly: true });
  const scans: string[] = [];
  for (const [text, values] of run) {
    const plan = database.prepare<unknown[], { detail: string }>(`explain query plan ${text}`).all(...values);
    for (const { detail } of plan) {
      if (/^(SCAN|SEARCH) (deliveries|delivery_changes)\b/.test(detail) && !NARROW.test(detail)) {
        scans.push(`${detail}: ${text.slice(0, 100)}`);
      }
    }
  }
  database.close();
  return scans;
}

/** What is run meanwhile, by its text, with values: a plan may depend on them. */
async function statementsOf(call: () => Promise<unknown>): Promise<Map<string, unknown[]>> {
  const run = new Map<string, unknown[]>();
  const prepare = Database.prototype.prepare;
  const spy = vi.spyOn(Database.prototype, "prepare").mockImplementation(function (
    this: Database.Database,
    text: string,
  ) {
    const statement = prepare.call(this, text);
    for (const method of ["all", "run"] as const) {
      const original = statement[method].bind(statement);
      statement[method] = ((values: unknown[]) => {
        run.set(text, values);
        return original(values);
      }) as never;
    }
    return statement;
  } as never);
  await call();
  spy.mockRestore();
  return run;
}
