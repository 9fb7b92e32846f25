import type { MysqlPool, MysqlPoolConnection } from "kysely";
import { DeadlinePassed, startDeadline } from "./deadlines.ts";
import type { BoundedConnection } from "./mysql-connection.ts";
import { type ConnectionsOptions, createConnections } from "./mysql-connections.ts";
import { createPlaces } from "./places.ts";
import type { ClockReading } from "./seam.ts";

/** A pool in which no caller waits forever. */
export type BoundedPool = MysqlPool & {
  /**
   * Resolves if the database answers and is not read-only, as the old server is after a switchover. It goes
   * ahead of other callers: a busy pool does not mean an unavailable database.
   */
  ping(): Promise<void>;
  /** Reads the server's clock, ahead of other callers, too. */
  readClock(): Promise<ClockReading>;
  /** Closes every connection, including those in use. */
  close(): Promise<void>;
};

/** The server answers reads alone. */
class ReadOnly extends Error {
  override readonly name = "ReadOnly";
  readonly code = "READ_ONLY";
}

const READ_READ_ONLY = "select @@global.read_only as server, @@global.innodb_read_only as engine";
/** How a server spells a variable that is off. */
const OFF: ReadonlySet<unknown> = new Set([0, "0", "OFF"]);

/** The session's time zone does not matter: in a local one, an hour of each autumn comes twice. */
const READ_CLOCK = "select timestampdiff(microsecond, '1970-01-01', utc_timestamp(6)) as micros";

/**
 * Creates a pool with the deadlines that the driver's own pool lacks.
 *
 * Callers wait here and not in the driver's queue. A caller cannot leave that queue, so in an outage it would
 * grow by every call that was given up.
 */
export function createBoundedPool(options: ConnectionsOptions): BoundedPool {
  const { size, deadlines } = options;
  const { acquireMs, pingMs } = deadlines;
  const places = createPlaces(size);
  const connections = createConnections(options, places.give);

  const acquire = async ({ isFirst }: { isFirst: boolean }) => {
    const endAt = performance.now() + acquireMs;
    await places.take({ withinMs: acquireMs, isFirst });
    const connecting = connections.checkOut();
    return await new Promise<BoundedConnection>((resolve, reject) => {
      let isGivenUp = false;
      const cancel = startDeadline(endAt - performance.now(), () => {
        isGivenUp = true;
        reject(new DeadlinePassed(`got no connection to the database within ${acquireMs} ms`));
      });
      connecting.then(
        (connection) => {
          cancel();
          // Too late for this caller: the connection goes to the next.
          if (isGivenUp) connection.release();
          else resolve(connection);
        },
        (error: unknown) => {
          cancel();
          places.give();
          reject(error);
        },
      );
    });
  };
  const close = async () => {
    places.close(new Error("the pool is closed"));
    await connections.close();
  };

  return {
    getConnection(done) {
      acquire({ isFirst: false }).then(
        // Kysely uses the rest of a connection only to cancel a query on the server, and no caller here does
        // that.
        (connection) => done(null, connection as BoundedConnection & MysqlPoolConnection),
        (error: unknown) => done(error, undefined as never),
      );
    },
    async ping() {
      const connection = await acquire({ isFirst: true });
      const rows = await connection.run(READ_READ_ONLY, pingMs).finally(() => connection.release());
      const [row] = rows as { server: unknown; engine: unknown }[];
      if (!(OFF.has(row?.server) && OFF.has(row?.engine))) throw new ReadOnly("the database is read-only");
    },
    async readClock() {
      const connection = await acquire({ isFirst: true });
      // Getting a connection does not count: it would make the reading less exact.
      const askedAt = performance.now();
      const rows = await connection.run(READ_CLOCK, pingMs).finally(() => connection.release());
      const [row] = rows as { micros: number }[];
      return { databaseMs: Number(row?.micros) / 1_000, askedAt, answeredAt: performance.now() };
    },
    end(done) {
      close().then(() => done(undefined), done);
    },
    close,
  };
}
