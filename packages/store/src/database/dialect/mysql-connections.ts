import { createPool, type Pool, type PoolConnection, type PoolOptions } from "mysql2";
import { type Deadlines, startDeadline } from "./deadlines.ts";
import { type BoundedConnection, boundConnection } from "./mysql-connection.ts";

export type ConnectionsOptions = {
  readonly driver: Omit<PoolOptions, "connectionLimit" | "connectTimeout">;
  readonly size: number;
  readonly deadlines: Deadlines;
  /** Statements that set up every new connection. */
  readonly session: readonly string[];
};

export type Connections = {
  /** Returns an idle connection, or opens one and sets it up. */
  checkOut(): Promise<BoundedConnection>;
  close(): Promise<void>;
};

/**
 * An idle connection is closed after this long, before the server closes it (`wait_timeout`) and logs a
 * complaint.
 */
const IDLE_MS = 30_000;
/**
 * TCP keep-alive begins after this. An idle connection to a dead server is found after 20 s: this, and ten
 * probes one second apart.
 */
const KEEP_ALIVE_AFTER_MS = 10_000;
/** How long an orderly close of all connections may take. Statements still in flight are then cut off. */
const CLOSE_WITHIN_MS = 2_000;

/** The driver's pool without its queue: it keeps connections and opens new ones. */
export function createConnections(
  { driver, size, deadlines, session }: ConnectionsOptions,
  onRelease: () => void,
): Connections {
  const { statementMs, connectMs } = deadlines;
  const pool = createPool({
    ...driver,
    connectTimeout: connectMs,
    keepAliveInitialDelay: KEEP_ALIVE_AFTER_MS,
    idleTimeout: IDLE_MS,
    gracefulEnd: true,
    // The caller enforces the limit. The driver looks for idle connections to close only if it may open more
    // than it may keep, hence one more here.
    connectionLimit: size + 1,
    maxIdle: size,
  });
  // Kysely identifies connections by object identity.
  const known = new WeakMap<PoolConnection, BoundedConnection>();
  const open = new Set<BoundedConnection>();
  let silentAt = Number.NEGATIVE_INFINITY;
  let closed: Promise<void> | undefined;

  const setUp = async (raw: PoolConnection) => {
    const connection: BoundedConnection = boundConnection(raw, {
      statementMs,
      onSilent: () => {
        silentAt = performance.now();
      },
      onRelease,
      onClose: () => open.delete(connection),
    });
    open.add(connection);
    try {
      for (const statement of session) await connection.run(statement, connectMs);
    } catch (error) {
      connection.destroy(new Error("the connection could not be set up", { cause: error }));
      throw error;
    }
    known.set(raw, connection);
    return connection;
  };
  const endAll = async () => {
    const isOrderly = await new Promise<boolean>((resolve) => {
      const cancel = startDeadline(CLOSE_WITHIN_MS, () => resolve(false));
      // A connection that cannot end in order is closed anyway.
      pool.end(() => {
        cancel();
        resolve(true);
      });
    });
    for (const connection of open) {
      if (isOrderly) connection.close();
      else connection.destroy(new Error("the pool is closed"));
    }
  };
  return {
    async checkOut() {
      for (;;) {
        const raw = await connectionOf(pool);
        const connection = known.get(raw);
        if (connection === undefined) return await setUp(raw);
        if (connection.answeredAt() > silentAt) return connection;
        // It has not answered since another connection fell silent, and after a failover all old connections
        // lead to a dead server. A new connection costs milliseconds; this one may cost a deadline.
        connection.destroy(new Error("another connection to the database fell silent"));
      }
    },
    async close() {
      closed ??= endAll();
      await closed;
    },
  };
}

async function connectionOf(pool: Pool): Promise<PoolConnection> {
  return await new Promise((resolve, reject) => {
    pool.getConnection((error, connection) => (error === null ? resolve(connection) : reject(error)));
  });
}
