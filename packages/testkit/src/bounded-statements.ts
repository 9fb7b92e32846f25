import { type CompiledQuery, DefaultQueryExecutor, type QueryResult } from "kysely";
import { afterEach, beforeEach } from "vitest";

/*
 * Every test fails in which a statement of the product touches more rows than these bounds, whatever store it
 * runs on. A statement holds its locks until all of its rows are done, and SQLite does nothing else
 * meanwhile, nor does its process. Statements of the tests themselves are free. It costs a comparison for
 * each statement.
 */

/**
 * Maximum rows that one statement inserts, changes or deletes: what a batch of the log of changes has, the
 * largest batch that the store writes. A thousand rows take some ten milliseconds.
 */
const WRITTEN_MAX = 1_000;
/**
 * Maximum rows that one statement returns: what a claim reads of the 64 subscriptions that it visits, 32
 * each. The rows are in memory at once.
 */
const RETURNED_MAX = 2_048;

/** Statements that may return more, by how their text begins, with the bound that they have instead. */
const EXCEPTIONS: readonly { readonly begin: string; readonly max: number; readonly why: string }[] = [
  {
    begin: 'select * from "statistics" where',
    max: 2_977,
    why: "a month of an account's counters is one page: a row of 100 bytes for each quarter of an hour",
  },
];

type Execute = (this: unknown, query: CompiledQuery, ...rest: unknown[]) => Promise<QueryResult<unknown>>;

const executor = Object.getPrototypeOf(DefaultQueryExecutor.prototype) as { executeQuery: Execute };
/** Test files share a process; each replaces the check of the file before. */
const original = Symbol.for("posthaste.testkit.executeQuery");
const known = executor as typeof executor & { [original]?: Execute };
known[original] ??= executor.executeQuery;
const execute = known[original];

let tooMany: string[] = [];

executor.executeQuery = async function (query, ...rest) {
  const result = await execute.call(this, query, ...rest);
  const written = Number(result.numAffectedRows ?? 0n);
  const returned = result.rows.length;
  if (written <= WRITTEN_MAX && returned <= RETURNED_MAX) return result;
  const text = query.sql.replaceAll("`", '"');
  const exception = EXCEPTIONS.find(({ begin }) => text.startsWith(begin));
  if (written === 0 && returned <= (exception?.max ?? RETURNED_MAX)) return result;
  const caller = productCaller();
  if (caller !== undefined) {
    tooMany.push(`${written} rows written, ${returned} returned by ${caller}: ${text.slice(0, 200)}`);
  }
  return result;
};

const STACK_LINES = 50;
/** A line of a stack that is a file of this repository, and not of a dependency. */
const OWN = /\/(?:packages|services|tools)\/[\w./-]+\.ts(?=[:?])/;
const OWN_TESTS = /\/test\/|\.test\.ts|\/testkit\//;

/** Returns the file of the product that ran the statement; undefined: a test ran it. */
function productCaller(): string | undefined {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = STACK_LINES;
  const lines = new Error().stack?.split("\n") ?? [];
  Error.stackTraceLimit = stackTraceLimit;
  const own = lines.flatMap((line) => OWN.exec(line)?.[0] ?? []);
  const caller = own.find((path) => !path.endsWith("/bounded-statements.ts"));
  return caller === undefined || OWN_TESTS.test(caller) ? undefined : caller;
}

/** Returns the statements beyond the bounds since the last call, and forgets them. */
export function statementsBeyondBounds(): readonly string[] {
  const found = tooMany;
  tooMany = [];
  return found;
}

beforeEach(() => {
  tooMany = [];
});
afterEach(() => {
  const found = statementsBeyondBounds();
  if (found.length > 0) throw new Error(`statements touched too many rows:\n${found.join("\n")}`);
});
