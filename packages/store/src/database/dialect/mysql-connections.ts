import { createPool, type Pool, type PoolConnection, type PoolOptions } from "mysql2";
import { type Deadlines, startDeadline } from "./deadlines.ts";
import { type BoundedConnection, boundConnection } from "./mysql-connection.ts";
import { withServerName } from "./mysql-errors.ts";

export type ConnectionsOptions = {
  readonly driver: Omit<PoolOptions, "connectionLimit" | "connectTimeout">;
  readonly size: number;
  readonly deadlines: Deadlines;
  /** Called with the error of each statement that fails. */
  readonly onError: (error: unknown) => void;
  /** Statements that set up every new connection. */
  readonly session: readonly string[];
};

/** A connection that is set up, and when it was asked for, on the clock of `performance.now`. */
type Known = { readonly connection: BoundedConnection; readonly dialledAt: number };

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
  { driver, size, deadlines, session, onError }: ConnectionsOptions,
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
  const known = new WeakMap<PoolConnection, Known>();
  const open = new Set<BoundedConnection>();
  /** When a connection last fell silent, and when one was last found to be stale. */
  let silentAt = Number.NEGATIVE_INFINITY;
  let staleAt = Number.NEGATIVE_INFINITY;
  let closed: Promise<void> | undefined;

  const setUp = async (raw: PoolConnection, dialledAt: number) => {
    const connection: BoundedConnection = boundConnection(raw, {
      statementMs,
      onSilent: () => {
        silentAt = performance.now();
      },
      onStale: () => {
        staleAt = performance.now();
      },
      onError,
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
    known.set(raw, { connection, dialledAt });
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
  /**
   * After a failover or a switchover all old connections lead to a server that is dead or read-only. A new
   * connection resolves the host's name again, and costs milliseconds; a dead one may cost a deadline. A
   * read-only server answers every read, so its answers prove nothing.
   */
  const whyNot = ({ connection, dialledAt }: Known): string | undefined => {
    if (connection.answeredAt() <= silentAt) return "another connection to the database fell silent";
    if (dialledAt <= staleAt) return "another connection to the database became stale";
    return undefined;
  };
  return {
    async checkOut() {
      for (;;) {
        const askedAt = performance.now();
        const raw = await connectionOf(pool);
        const old = known.get(raw);
        if (old === undefined) return await setUp(raw, askedAt);
        const why = whyNot(old);
        if (why === undefined) return old.connection;
        old.connection.destroy(new Error(why));
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
    pool.getConnection((error, connection) =>
      error === null ? resolve(connection) : reject(withServerName(error)),
    );
  });
}
