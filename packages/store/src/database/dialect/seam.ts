import type { Dialect, Kysely, RawBuilder } from "kysely";
import type { Tables } from "../tables.ts";
import type { DurabilityRisk } from "./mysql-durability.ts";

/**
 * The differences between the two databases. Kysely compiles any clause for any dialect, even if the database
 * does not support it, so each difference has an entry here and appears nowhere else.
 */
export type Seam = {
  readonly name: "mysql" | "sqlite";
  readonly dialect: Dialect;
  /** For migrations: separate connections, whose statements have no deadline. Default: `dialect`. */
  readonly migrationDialect?: () => Dialect;
  /** Queries the database, ahead of other callers. Default: an ordinary query. */
  readonly ping?: () => Promise<void>;
  /** @throws Error if the database lately refused a write as it would refuse any; see `refused-writes.ts` */
  readonly checkWrites: () => void;
  /** Reads the database's clock. Null: it has none of its own, and its processes share one machine's. */
  readonly readClock: (() => Promise<ClockReading>) | null;
  /** Returns the server's settings that lose commits in a power cut. Never fails. */
  readonly durabilityRisks: (db: Kysely<Tables>) => Promise<readonly DurabilityRisk[]>;
  /** Says that a network carries passwords and data in clear text. Undefined: it does not, or is meant to. */
  readonly clearTextWarning: string | undefined;
  /** Closes what Kysely leaves open if nothing was queried through it. Closing twice is harmless. */
  readonly close: () => Promise<void>;
  /** True: `FOR UPDATE` locks rows. False: writers take turns as a whole, and no lock is needed. */
  readonly locksRows: boolean;
  readonly isDuplicate: (error: unknown) => boolean;
  /**
   * The database rolled the transaction back, or refused its statement, because of its timing (a deadlock, a
   * lock wait that timed out).
   */
  readonly isContention: (error: unknown) => boolean;
  /**
   * Another transaction holds a row, and did not give it back in time. This contention is not over a moment
   * later.
   */
  readonly isLockTimeout: (error: unknown) => boolean;
  /** The database is unreachable or does not work at the moment; the statement is not to blame. */
  readonly isAway: (error: unknown) => boolean;
  /**
   * The database is read-only or full, or turns its user away: no row is the cause, and none would be
   * taken. Of other errors of {@link isAway}, a ping tells whether they concern everybody.
   */
  readonly isEverybodys: (error: unknown) => boolean;
  /** Of an error with which the database is unavailable. */
  readonly whyAway: (error: unknown) => AwayReason;
  /** The database refuses the row itself: a value that does not fit, or a broken constraint. */
  readonly isRefusal: (error: unknown) => boolean;
  /** SQL after a table's name that makes the planner use this index; see `by-index.ts`. */
  readonly byIndex: (index: string) => string;
  /** The same for the primary key. */
  readonly byPrimaryKey: string;
  /** Deletes the rows of a table that a query beginning with `where` and ending with a limit would return. */
  readonly deleteFirst: (table: RawBuilder<unknown>, first: RawBuilder<unknown>) => RawBuilder<unknown>;
  /** Joins a column of all rows into the text of a JSON array, in no particular order; null: no row. */
  readonly jsonArrayOf: (column: RawBuilder<unknown>) => RawBuilder<string | null>;
  readonly columns: ColumnTypes;
};

/**
 * Why the database is unavailable: its disk is full; it takes no writes, at least from this user; it turns
 * this client away; it does not answer in time; no connection can be made or kept; or it answers with another
 * error.
 */
export type AwayReason = "full" | "read_only" | "refused" | "silent" | "unreachable" | "failing";

/** The database's clock, read between two moments of this process. */
export type ClockReading = {
  /** Epoch milliseconds. */
  readonly databaseMs: number;
  /** On the clock of `performance.now`. */
  readonly askedAt: number;
  readonly answeredAt: number;
};

/** How the migrations spell column types. */
export type ColumnTypes = {
  /** A number that the database assigns, never twice: 64 bits. */
  readonly serial: string;
  /** A counter, or a reference to a row by its `serial`: 64 bits. */
  readonly long: string;
  /** 32 bits, for a number that the code or the contract bounds. */
  readonly int: string;
  /** Epoch milliseconds. */
  readonly time: string;
  /**
   * Compared byte by byte on both databases, but MySQL ignores spaces at the end. No text that is compared
   * ends in one: callers' texts are refused before they get here.
   */
  readonly text: (charsMax: number) => string;
  readonly longText: string;
  readonly bytes: string;
  /** A SHA-256 hash. */
  readonly hash: string;
  /** The first half of one. */
  readonly halfHash: string;
  /** The text after a table's closing parenthesis. */
  readonly tableEnd: string;
  /** The same for a table whose rows lie in the order of its primary key, as all do on MySQL. */
  readonly clusteredTableEnd: string;
};

/** Maximum depth of the search; a longer chain of causes is a cycle. */
const CAUSES_MAX = 5;

/** Returns whether `isMeant` accepts an error or one of its causes. */
export function hasCause(error: unknown, isMeant: (cause: unknown) => boolean): boolean {
  let cause = error;
  for (let depth = 0; depth <= CAUSES_MAX; depth++) {
    if (isMeant(cause)) return true;
    if (!(cause instanceof Error)) return false;
    cause = cause.cause;
  }
  return false;
}

/** Returns the first reason that fits an error or one of its causes. */
export function firstReason(
  error: unknown,
  reasons: readonly (readonly [AwayReason, (cause: unknown) => boolean])[],
): AwayReason {
  return reasons.find(([, fits]) => hasCause(error, fits))?.[0] ?? "failing";
}

export function codeOf(error: unknown): string {
  return typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
}
