import type { Dialect } from "kysely";

/**
 * Where the two databases differ. Kysely compiles any clause for any dialect, also one that the database does not
 * know, so what differs is asked for here and nowhere else.
 */
export type Seam = {
  readonly name: "mysql" | "sqlite";
  readonly dialect: Dialect;
  /** For migrations: connections of their own, whose statements have no deadline. Default: `dialect`. */
  readonly migrationDialect?: () => Dialect;
  /** Asks the database for an answer, ahead of other callers. Default: an ordinary query. */
  readonly ping?: () => Promise<void>;
  /** Closes what Kysely leaves open where nobody has queried through it. Closing twice is harmless. */
  readonly close: () => Promise<void>;
  /** `FOR UPDATE SKIP LOCKED` where rows can be locked; where writers take turns as a whole, nothing is needed. */
  readonly locksRows: boolean;
  readonly isDuplicate: (error: unknown) => boolean;
  /** The transaction was rolled back for its timing (a deadlock, a lock not had in time): run it again. */
  readonly isContention: (error: unknown) => boolean;
  /** The database cannot be reached or does not work at the moment; what was asked for is not at fault. */
  readonly isAway: (error: unknown) => boolean;
  /** Follows a table's name to have it read by this index, whatever the planner thinks; see `by-index.ts`. */
  readonly byIndex: (index: string) => string;
  readonly columns: ColumnTypes;
};

/** How the migrations spell column types. */
export type ColumnTypes = {
  /** A number that the database gives out, never twice: 64 bits. */
  readonly serial: string;
  /** Whatever counts, or names a row by its `serial`: 64 bits. */
  readonly long: string;
  /** 32 bits, for what a limit in the code bounds, or the contract, as it does accounts and subscriptions. */
  readonly int: string;
  /** Epoch milliseconds. */
  readonly time: string;
  /** Compared byte by byte on both. */
  readonly text: (charsMax: number) => string;
  readonly longText: string;
  readonly bytes: string;
  /** A SHA-256. */
  readonly hash: string;
  /** What follows a table's closing parenthesis. */
  readonly tableEnd: string;
};

/** Causes followed at most; a chain that is longer is a circle. */
const CAUSES_MAX = 5;

/** Whether an error, or what caused it, has a code that `isMeant`. */
export function hasCode(error: unknown, isMeant: (code: string) => boolean): boolean {
  let cause = error;
  for (let depth = 0; depth <= CAUSES_MAX; depth++) {
    if (isMeant(codeOf(cause))) return true;
    if (!(cause instanceof Error)) return false;
    cause = cause.cause;
  }
  return false;
}

export function codeOf(error: unknown): string {
  return typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
}
