import { type AwayReason, codeOf, firstReason, hasCause } from "./seam.ts";

/**
 * The errors of MySQL and MariaDB that do not blame the statement, by number. The driver knows MySQL's names
 * only: it has none for many of MariaDB's errors, and another error's name for others.
 */
type Names = Readonly<Record<number, string>>;

/** This user, or this session, may read and not write. No variable of the server says so. */
const NO_WRITES: Names = {
  1036: "ER_OPEN_AS_READONLY",
  1044: "ER_DBACCESS_DENIED_ERROR",
  1142: "ER_TABLEACCESS_DENIED_ERROR",
  1143: "ER_COLUMNACCESS_DENIED_ERROR",
  1792: "ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION",
};

/** The server, this user or this session may read and not write. */
const READ_ONLY: Names = {
  1290: "ER_OPTION_PREVENTS_STATEMENT",
  1836: "ER_READ_ONLY_MODE",
  1874: "ER_INNODB_READ_ONLY",
  ...NO_WRITES,
};

/** The user may ask nothing more for now. */
const STOPPED: Names = {
  1226: "ER_USER_LIMIT_REACHED",
  1820: "ER_MUST_CHANGE_PASSWORD",
};

/**
 * What a connection is refused and a new one may be allowed. After a switchover the old server may stay up,
 * read-only, and its connections never break by themselves. A session keeps the global privileges that its
 * user had at its login, and that the password had expired then.
 */
const STALE: Names = {
  ...READ_ONLY,
  // A node that has left its cluster: of Galera, and of group replication.
  1047: "ER_UNKNOWN_COM_ERROR",
  3100: "ER_RUN_HOOK_ERROR",
  ...STOPPED,
};

/** A row was locked for too long or, for MySQL's `NOWAIT`, at all. MariaDB has one number for both. */
const LOCK_TIMEOUT: Names = {
  1205: "ER_LOCK_WAIT_TIMEOUT",
  3572: "ER_LOCK_NOWAIT",
};

/** The transaction was rolled back, or its statement refused, because of its timing. */
const CONTENTION: Names = {
  ...LOCK_TIMEOUT,
  1020: "ER_CHECKREAD",
  1213: "ER_LOCK_DEADLOCK",
  // Another node of the cluster came first.
  3101: "ER_TRANSACTION_ROLLBACK_DURING_COMMIT",
};

/** The server turns the client away at its login. An operator can change that while this process runs. */
const TURNED_AWAY: Names = {
  1040: "ER_CON_COUNT_ERROR",
  1042: "ER_BAD_HOST_ERROR",
  1043: "ER_HANDSHAKE_ERROR",
  // A password that was changed, or a user that was dropped.
  1045: "ER_ACCESS_DENIED_ERROR",
  1049: "ER_BAD_DB_ERROR",
  1129: "ER_HOST_IS_BLOCKED",
  1130: "ER_HOST_NOT_PRIVILEGED",
  1203: "ER_TOO_MANY_USER_CONNECTIONS",
  1698: "ER_ACCESS_DENIED_NO_PASSWORD_ERROR",
  1862: "ER_MUST_CHANGE_PASSWORD_LOGIN",
  3032: "ER_SERVER_OFFLINE_MODE",
  3118: "ER_ACCOUNT_HAS_BEEN_LOCKED",
  3159: "ER_SECURE_TRANSPORT_REQUIRED",
  3168: "ER_SERVER_ISNT_AVAILABLE",
  3955: "ER_USER_ACCESS_DENIED_FOR_USER_ACCOUNT_BLOCKED_BY_PASSWORD_LOCK",
  // MariaDB's.
  4150: "ER_USER_IS_BLOCKED",
  4151: "ER_ACCOUNT_HAS_BEEN_LOCKED",
};

/** The server ended the statement or the connection: it shuts down, or somebody or a limit ended it. */
const ENDED: Names = {
  1053: "ER_SERVER_SHUTDOWN",
  1079: "ER_SHUTDOWN_COMPLETE",
  1152: "ER_ABORTING_CONNECTION",
  1158: "ER_NET_READ_ERROR",
  1159: "ER_NET_READ_INTERRUPTED",
  1160: "ER_NET_ERROR_ON_WRITE",
  1161: "ER_NET_WRITE_INTERRUPTED",
  1184: "ER_NEW_ABORTING_CONNECTION",
  1317: "ER_QUERY_INTERRUPTED",
  3024: "ER_QUERY_TIMEOUT",
  4031: "ER_CLIENT_INTERACTION_TIMEOUT",
  // MariaDB's.
  1927: "ER_CONNECTION_KILLED",
  1969: "ER_STATEMENT_TIMEOUT",
};

/** No disk space is left. */
const FULL: Names = {
  3: "EE_WRITE",
  20: "EE_DISK_FULL",
  1021: "ER_DISK_FULL",
  1026: "ER_ERROR_ON_WRITE",
  // The tablespace cannot grow.
  1114: "ER_RECORD_FILE_FULL",
  1878: "ER_TEMP_FILE_WRITE_FAILURE",
  3675: "ER_DISK_FULL_NOWAIT",
};

/** The server is out of disk, memory, threads, files or another resource that comes back. */
const EXHAUSTED: Names = {
  ...FULL,
  5: "EE_OUTOFMEMORY",
  23: "EE_OUT_OF_FILERESOURCES",
  1015: "ER_CANT_LOCK",
  1016: "ER_CANT_OPEN_FILE",
  1024: "ER_ERROR_ON_READ",
  // The storage engine's own errors, such as 28: no space is left.
  1030: "ER_GET_ERRNO",
  1037: "ER_OUTOFMEMORY",
  1038: "ER_OUT_OF_SORTMEMORY",
  1041: "ER_OUT_OF_RESOURCES",
  1135: "ER_CANT_CREATE_THREAD",
  1180: "ER_ERROR_DURING_COMMIT",
  1206: "ER_LOCK_TABLE_FULL",
  1461: "ER_MAX_PREPARED_STMT_COUNT_REACHED",
  1637: "ER_TOO_MANY_CONCURRENT_TRXS",
};

const AWAY: Names = { ...STALE, ...CONTENTION, ...TURNED_AWAY, ...ENDED, ...EXHAUSTED };

/**
 * Errors of which no row is the cause. The others of {@link AWAY} may concern one statement alone: somebody
 * killed it, it took too long, or it waited for a lock.
 */
const EVERYBODYS: Names = { ...STALE, ...TURNED_AWAY, ...FULL };
/** A transaction that is too large for its cluster is refused with this, too. */
const PERHAPS_OF_ONE: Names = { 3100: "ER_RUN_HOOK_ERROR" };

/**
 * Gives a server's error its name as `code`, for logs. An error whose number the driver does not know gets
 * the number.
 */
export function withServerName<E>(error: E): E {
  const number = numberOf(error);
  if (number === undefined) return error;
  const { code } = error as { code?: string };
  return Object.assign(error as object, { code: AWAY[number] ?? code ?? `ER_${number}` }) as E;
}

/** Whether the connection does not survive the error. The driver says so. */
export function isFatal(error: unknown): error is Error {
  return error instanceof Error && "fatal" in error && error.fatal === true;
}

/** Whether a new connection may be allowed what the connection of this error was refused. */
export function isOfStaleConnection(error: unknown): boolean {
  return isIn(STALE, error);
}

export function isContention(error: unknown): boolean {
  return isIn(CONTENTION, error);
}

/** Whether another transaction holds a row, and did not give it back in time. */
export function isLockTimeout(error: unknown): boolean {
  return isIn(LOCK_TIMEOUT, error);
}

/**
 * Whether the database is unavailable: the connection broke, could not be made or fell silent, or the server
 * answered with an error that does not blame the statement.
 */
export function isAway(error: unknown): boolean {
  return hasCause(error, (cause) => isFatal(cause) || OUR_CODES.has(codeOf(cause)) || isIn(AWAY, cause));
}

/** Whether the server would refuse the same to any other statement of its kind, whatever the row. */
export function isEverybodys(error: unknown): boolean {
  return hasCause(error, (cause) => isIn(EVERYBODYS, cause) && !isIn(PERHAPS_OF_ONE, cause));
}

/** Why the database is unavailable, if it is so with this error. */
export function whyAway(error: unknown): AwayReason {
  return firstReason(error, [
    ["full", (cause) => isIn(FULL, cause)],
    ["read_only", (cause) => isIn(READ_ONLY, cause) || codeOf(cause) === "READ_ONLY"],
    ["refused", (cause) => isIn(TURNED_AWAY, cause) || isIn(STOPPED, cause)],
    ["silent", (cause) => codeOf(cause) === "ETIMEDOUT"],
    ["unreachable", (cause) => isFatal(cause) || OUR_CODES.has(codeOf(cause))],
  ]);
}

/** Whether a server that answers a ping refuses every write with this error. */
export function refusesWrites(error: unknown): boolean {
  return isIn(FULL, error) || isIn(NO_WRITES, error);
}

/**
 * Classes of SQLSTATE (ISO/IEC 9075) that blame a row: data exceptions, broken constraints and check options,
 * and what a trigger signals.
 */
const REFUSAL_CLASSES: ReadonlySet<string> = new Set(["22", "23", "44", "45"]);
/** Errors that blame a row and have a general SQLSTATE. */
const REFUSALS: Names = {
  139: "ER_TOO_BIG_ROWSIZE",
  1118: "ER_TOO_BIG_ROWSIZE",
  1153: "ER_NET_PACKET_TOO_LARGE",
  1366: "ER_TRUNCATED_WRONG_VALUE_FOR_FIELD",
  3819: "ER_CHECK_CONSTRAINT_VIOLATED",
};

/** Whether the server refuses the row of the statement, and would refuse it again. */
export function isRefusal(error: unknown): boolean {
  return hasCause(error, (cause) => {
    const state = cause instanceof Error && "sqlState" in cause ? String(cause.sqlState) : "";
    return REFUSAL_CLASSES.has(state.slice(0, 2)) || isIn(REFUSALS, cause);
  });
}

/** The codes of `DeadlinePassed`, `ConnectionLost` and `ReadOnly`. */
const OUR_CODES = new Set(["ETIMEDOUT", "PROTOCOL_CONNECTION_LOST", "READ_ONLY"]);

function isIn(names: Names, error: unknown): boolean {
  const number = numberOf(error);
  return number !== undefined && number in names;
}

/** The number that the server gave the error. The operating system's are negative. */
function numberOf(error: unknown): number | undefined {
  if (!(error instanceof Error && "errno" in error && typeof error.errno === "number")) return undefined;
  return error.errno > 0 ? error.errno : undefined;
}
