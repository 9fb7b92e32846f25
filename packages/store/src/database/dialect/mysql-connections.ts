import { createPool, type Pool, type PoolConnection, type PoolOptions } from "mysql2";
import { type Deadlines, startDeadline } from "./deadlines.ts";
import { type BoundedConnection, boundConnection } from "./mysql-connection.ts";

export type ConnectionsOptions = {
  readonly driver: Omit<PoolOptions, "connectionLimit" | "connectTimeout">;
  readonly size: number;
  readonly deadlines: Deadlines;
  /** Statements that every new connection begins with. */
  readonly session: readonly string[];
};

export type Connections = {
  /** An idle one, or a new one that is set up. */
  checkOut(): Promise<BoundedConnection>;
  close(): Promise<void>;
};

/**
 * An idle connection is closed after this, before the server closes it (`wait_timeout`) and complains in its
 * log.
 */
const IDLE_MS = 30_000;
/** An idle connection whose other end is gone is found after 20 s: this, and ten looks a second apart. */
const KEEP_ALIVE_AFTER_MS = 10_000;
/** How long an orderly end of every connection may take. Statements still under way are cut off then. */
const CLOSE_WITHIN_MS = 2_000;

/** The driver's pool without its queue: it keeps connections, and makes new ones. */
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
    // The limit is the caller's: one more here, since the driver looks for idle connections only where it may
    // have more than it may keep.
    connectionLimit: size + 1,
    maxIdle: size,
  });
  // Kysely knows its connections by identity.
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
      // A connection that cannot end in order is closed all the same.
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
        // It has not answered since another one fell silent, and after a failover all of them lead to a
        // server that is gone. A new one costs milliseconds; this one may cost a deadline.
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
