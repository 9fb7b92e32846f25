import type { MysqlPool, MysqlPoolConnection } from "kysely";
import { DeadlinePassed, startDeadline } from "./deadlines.ts";
import type { BoundedConnection } from "./mysql-connection.ts";
import { type ConnectionsOptions, createConnections } from "./mysql-connections.ts";
import { createPlaces } from "./places.ts";

/** A pool that lets nobody wait without end. */
export type BoundedPool = MysqlPool & {
  /**
   * Resolves if the database answers. It goes before other callers: a busy pool is not a database that is
   * away.
   */
  ping(): Promise<void>;
  /** Closes every connection, those in use too. */
  close(): Promise<void>;
};

/**
 * A pool with the deadlines that the driver's own lacks.
 *
 * Callers wait here and not in the driver's queue. Nobody can leave that one: in an outage it would grow by
 * every call that was given up.
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
        reject(new DeadlinePassed(`no connection to the database within ${acquireMs} ms`));
      });
      connecting.then(
        (connection) => {
          cancel();
          // It comes too late for this caller, and goes to the next.
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
        // Kysely asks for the rest of a connection only to have the server cancel a query, which nobody does
        // here.
        (connection) => done(null, connection as BoundedConnection & MysqlPoolConnection),
        (error: unknown) => done(error, undefined as never),
      );
    },
    async ping() {
      const connection = await acquire({ isFirst: true });
      await connection.run("select 1", pingMs).finally(() => connection.release());
    },
    end(done) {
      close().then(() => done(undefined), done);
    },
    close,
  };
}
