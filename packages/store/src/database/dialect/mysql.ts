import {
  type DatabaseConnection,
  type Driver,
  MysqlDialect,
  type MysqlDialectConfig,
  MysqlDriver,
  type QueryCompiler,
  sql,
} from "kysely";
import type { Deadlines } from "./deadlines.ts";
import { EmptyListsCompiler } from "./empty-lists.ts";
import { durabilityRisks } from "./mysql-durability.ts";
import {
  isAway,
  isContention,
  isEverybodys,
  isLockTimeout,
  isRefusal,
  refusesWrites,
  whyAway,
} from "./mysql-errors.ts";
import { createBoundedPool } from "./mysql-pool.ts";
import { driverOptions } from "./mysql-tls.ts";
import { clearTextWarning, type MysqlAddress } from "./mysql-url.ts";
import { createRefusedWrites } from "./refused-writes.ts";
import { codeOf, type Seam } from "./seam.ts";

/** A longer wait for a lock means that its holder hangs. The transaction then fails; see `transact.ts`. */
const LOCK_WAIT_S = 5;
/**
 * The server ends a session that hears nothing from its client for this long, and rolls its transaction back.
 * Otherwise a client that closed its connection while no packet got through would leave its locks for hours.
 * The pool closes idle connections in half of that time.
 */
const SILENT_CLIENT_S = 60;
/**
 * Prepared statements that each connection keeps; the least recently used is dropped first. A server keeps
 * 16,382 for all its clients by default: enough for 250 connections.
 */
const PREPARED_MAX = 64;

/**
 * Each connection reads committed data, without the gap locks that make concurrent inserts deadlock, and
 * refuses values that do not fit instead of truncating them.
 */
const SESSION = [
  "set session transaction isolation level read committed",
  "set session sql_mode = 'TRADITIONAL,NO_AUTO_VALUE_ON_ZERO'",
  `set session innodb_lock_wait_timeout = ${LOCK_WAIT_S}`,
  `set session wait_timeout = ${SILENT_CLIENT_S}`,
];

/**
 * How long a migration waits for those who use the table that it alters. Everybody's statements on it queue
 * behind it, and those of services have three times as long.
 */
const TABLE_WAIT_S = 5;
const MIGRATION_SESSION = [...SESSION, `set session lock_wait_timeout = ${TABLE_WAIT_S}`];

/**
 * This collation ignores spaces at the end. MySQL and MariaDB have none in common that does not, and a change
 * would rebuild every table and index.
 */
const TABLE_END = "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin";

/** MySQL ≥ 8 or MariaDB ≥ 10.6. Uses only what both support. */
export function mysqlSeam(address: MysqlAddress, poolSize: number, deadlines: Deadlines): Seam {
  const server = driverOptions(address);
  const refusedWrites = createRefusedWrites(refusesWrites);
  const poolOf = (size: number, statementMs: number, session: readonly string[]) =>
    createBoundedPool({
      driver: {
        ...server,
        charset: "utf8mb4_bin",
        enableKeepAlive: true,
        maxPreparedStatements: PREPARED_MAX,
      },
      size,
      deadlines: { ...deadlines, statementMs },
      session,
      onError: refusedWrites.note,
    });
  const pool = poolOf(poolSize, deadlines.statementMs, SESSION);
  return {
    name: "mysql",
    dialect: new BoundedMysqlDialect({ pool }),
    // Altering a large table takes minutes, and so does waiting for another process that alters it.
    migrationDialect: () =>
      new BoundedMysqlDialect({ pool: async () => poolOf(1, Number.POSITIVE_INFINITY, MIGRATION_SESSION) }),
    ping: pool.ping,
    checkWrites: refusedWrites.check,
    readClock: pool.readClock,
    durabilityRisks,
    clearTextWarning: clearTextWarning(address),
    close: pool.close,
    locksRows: true,
    isDuplicate: (error) => codeOf(error) === "ER_DUP_ENTRY",
    isContention,
    isLockTimeout,
    isAway,
    isEverybodys,
    whyAway,
    isRefusal,
    byIndex: (index) => `force index (${index})`,
    byPrimaryKey: "force index (primary)",
    deleteFirst: (table, first) => sql`delete from ${table} ${first}`,
    // The driver would parse MySQL's JSON, but not MariaDB's, which is text.
    jsonArrayOf: (column) => sql`cast(json_arrayagg(${column}) as char)`,
    columns: {
      serial: "BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY",
      long: "BIGINT",
      int: "INT",
      time: "BIGINT",
      text: (charsMax) => `VARCHAR(${charsMax})`,
      longText: "LONGTEXT",
      bytes: "LONGBLOB",
      hash: "BINARY(32)",
      halfHash: "BINARY(16)",
      tableEnd: TABLE_END,
      clusteredTableEnd: TABLE_END,
    },
  };
}

class BoundedMysqlDialect extends MysqlDialect {
  readonly #config: MysqlDialectConfig;

  constructor(config: MysqlDialectConfig) {
    super(config);
    this.#config = config;
  }

  override createDriver(): Driver {
    return new BoundedMysqlDriver(this.#config);
  }

  override createQueryCompiler(): QueryCompiler {
    return new EmptyListsCompiler();
  }
}

class BoundedMysqlDriver extends MysqlDriver {
  /**
   * Ignores a lost connection: the server rolls its transaction back by itself. The caller sees the original
   * error, not that there is nothing to roll back.
   */
  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    try {
      await super.rollbackTransaction(connection);
    } catch (error) {
      if (!isAway(error)) throw error;
    }
  }
}
