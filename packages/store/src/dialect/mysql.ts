import { CompiledQuery, MysqlDialect } from "kysely";
import { createPool } from "mysql2";
import { codeOf, type Seam } from "./seam.ts";

const CONNECT_TIMEOUT_MS = 5_000;
/** A lock not had in this time means that somebody hangs; the transaction is run again. */
const LOCK_WAIT_S = 5;

/**
 * Each connection reads what is committed, without the gap locks that make concurrent inserts deadlock, and refuses
 * values that do not fit instead of cutting them.
 */
const SESSION = [
  "set session transaction isolation level read committed",
  "set session sql_mode = 'TRADITIONAL,NO_AUTO_VALUE_ON_ZERO'",
  `set session innodb_lock_wait_timeout = ${LOCK_WAIT_S}`,
];

const AWAY = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "PROTOCOL_CONNECTION_LOST",
  "ER_CON_COUNT_ERROR",
  "ER_SERVER_SHUTDOWN",
  "ER_OPTION_PREVENTS_STATEMENT",
  "ER_LOCK_WAIT_TIMEOUT",
  "ER_LOCK_DEADLOCK",
]);

/** MySQL ≥ 8 or MariaDB ≥ 10.6: what both know, nothing else. */
export function mysqlSeam(url: string, poolSize: number): Seam {
  const pool = createPool({
    uri: url,
    connectionLimit: poolSize,
    connectTimeout: CONNECT_TIMEOUT_MS,
    charset: "utf8mb4_bin",
    enableKeepAlive: true,
  });
  return {
    name: "mysql",
    dialect: new MysqlDialect({
      pool,
      onCreateConnection: async (connection) => {
        for (const statement of SESSION) await connection.executeQuery(CompiledQuery.raw(statement));
      },
    }),
    locksRows: true,
    isDuplicate: (error) => codeOf(error) === "ER_DUP_ENTRY",
    isContention: (error) =>
      ["ER_LOCK_DEADLOCK", "ER_LOCK_WAIT_TIMEOUT", "ER_CHECKREAD"].includes(codeOf(error)),
    isAway: (error) => AWAY.has(codeOf(error)),
    columns: {
      serial: "INT NOT NULL AUTO_INCREMENT PRIMARY KEY",
      int: "INT",
      time: "BIGINT",
      text: (charsMax) => `VARCHAR(${charsMax})`,
      longText: "LONGTEXT",
      bytes: "LONGBLOB",
      hash: "BINARY(32)",
      tableEnd: "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
    },
  };
}
