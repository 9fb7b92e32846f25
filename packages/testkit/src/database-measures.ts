import type { Store } from "@posthaste/store";
import { CompiledQuery, DefaultQueryExecutor, sql } from "kysely";

/** The number of rows of each table, by its name. */
export type RowCounts = Readonly<Record<string, number>>;

/** Counts the rows of every table, also of those that nobody thought of. */
export async function countRows({ db }: Store): Promise<RowCounts> {
  const tables = await db.introspection.getTables();
  const counts: [string, number][] = [];
  for (const { name } of tables) {
    const { rows } = await sql<{ n: number }>`select count(*) as n from ${sql.table(name)}`.execute(db);
    counts.push([name, Number(rows[0]?.n)]);
  }
  return Object.fromEntries(counts);
}

export type DiskUse = {
  /** Bytes that hold rows and index entries, as far as the database tells. */
  readonly usedBytes: number;
  /** Bytes that the database has taken from the disk, used or free. */
  readonly takenBytes: number;
};

/** Measures what the tables take on the disk. */
export async function measureDisk(store: Store): Promise<DiskUse> {
  return store.seam.name === "mysql" ? await mysqlDisk(store) : await sqliteDisk(store);
}

async function mysqlDisk({ db }: Store): Promise<DiskUse> {
  for (const { name } of await db.introspection.getTables()) {
    // The server counts pages only when it gathers statistics.
    await sql`analyze table ${sql.table(name)}`.execute(db);
  }
  const { rows } = await sql<{ used: string; free: string }>`
    select sum(data_length + index_length) as used, sum(data_free) as free
    from information_schema.tables where table_schema = database()
  `.execute(db);
  const [used, free] = [Number(rows[0]?.used), Number(rows[0]?.free)];
  return { usedBytes: used, takenBytes: used + free };
}

async function sqliteDisk({ db }: Store): Promise<DiskUse> {
  const pragma = async (name: string) => {
    const { rows } = await sql<Record<string, number>>`pragma ${sql.raw(name)}`.execute(db);
    return Number(rows[0]?.[name]);
  };
  const [pages, free, bytes] = [
    await pragma("page_count"),
    await pragma("freelist_count"),
    await pragma("page_size"),
  ];
  return { usedBytes: (pages - free) * bytes, takenBytes: pages * bytes };
}

export type Reads = {
  /** Rows and index entries read. Always 0 on SQLite, which does not count them. */
  readonly rows: number;
  /** How SQLite finds the rows of each statement, sorted. Empty on MySQL, whose counters say more. */
  readonly plans: readonly string[];
};

/**
 * Measures what the database reads during a call.
 *
 * @param store must have exactly one connection
 */
export async function measureReads(store: Store, call: () => Promise<unknown>): Promise<Reads> {
  if (store.seam.name === "sqlite") return { rows: 0, plans: await plansOf(store, call) };
  const before = await rowsRead(store);
  await call();
  return { rows: (await rowsRead(store)) - before, plans: [] };
}

async function rowsRead({ db }: Store): Promise<number> {
  const { rows } = await sql<{ Value: string }>`show session status like 'Handler_read%'`.execute(db);
  return rows.reduce((sum, { Value }) => sum + Number(Value), 0);
}

async function plansOf(store: Store, call: () => Promise<unknown>): Promise<string[]> {
  const plans = new Set<string>();
  for (const { sql: text, parameters } of await queriesOf(call)) {
    if (!/^\s*(select|insert|update|delete|with)\b/i.test(text)) continue;
    const explain = CompiledQuery.raw(`explain query plan ${text}`, [...parameters]);
    const steps = (await store.db.executeQuery<{ detail: string }>(explain)).rows;
    // What a subquery returned is read from its beginning; how it was found is a step of its own.
    const derived = new Set(
      steps.flatMap(({ detail }) => /^(?:CO-ROUTINE|MATERIALIZE) (.*)/.exec(detail)?.[1] ?? []),
    );
    for (const { detail } of steps) {
      const [, how, what = ""] = /^(SCAN|SEARCH|USE) (\S+)/.exec(detail) ?? [];
      if (how !== undefined && !derived.has(what)) plans.add(detail);
    }
  }
  return [...plans].sort();
}

type Execute = (this: unknown, query: CompiledQuery, ...rest: unknown[]) => Promise<unknown>;

/** What every executor of Kysely inherits from: those of transactions, too. */
const executor = Object.getPrototypeOf(DefaultQueryExecutor.prototype) as { executeQuery: Execute };

/** Returns the statements that a call runs: each text with its last values, on which the plan may depend. */
async function queriesOf(call: () => Promise<unknown>): Promise<Iterable<CompiledQuery>> {
  return new Map((await listStatements(call)).map((query) => [query.sql, query])).values();
}

/** Returns every statement that a call runs, in order, except those that begin and end a transaction. */
export async function listStatements(call: () => Promise<unknown>): Promise<CompiledQuery[]> {
  const queries: CompiledQuery[] = [];
  const { executeQuery } = executor;
  executor.executeQuery = function (query, ...rest) {
    queries.push(query);
    return executeQuery.call(this, query, ...rest);
  };
  try {
    await call();
  } finally {
    executor.executeQuery = executeQuery;
  }
  return queries;
}
