import type { LookupAddress } from "node:dns";
import type { Connection } from "./connection.ts";
import type { EgressLimits } from "./limits.ts";

/**
 * A pool of idle connections, by origin. Connections in use are not in it; each belongs to one attempt in
 * flight.
 */
export type IdleConnections = {
  /**
   * Removes and returns a connection to one of these addresses, which the caller has just checked. Undefined
   * if there is none.
   */
  take(origin: string, addresses: readonly LookupAddress[]): Connection | undefined;
  /** Adds a connection whose response is complete, or closes it if it cannot be reused. */
  keep(connection: Connection): void;
  /** Removes a closed connection. */
  drop(connection: Connection): void;
  /** Closes all connections, including those that are kept later. */
  close(): void;
};

/**
 * Creates a pool. If an origin or the pool is full, the connection that has been idle for longest is closed.
 * The limit per origin keeps one host from occupying the whole pool. An attempt never waits for a connection:
 * if none is idle, it opens a new one.
 *
 * @param now milliseconds of a monotonic clock
 */
export function createIdleConnections(
  limits: Pick<EgressLimits, "idleMax" | "idlePerOriginMax" | "lifetimeMs">,
  now: () => number,
): IdleConnections {
  /** Both collections are in the order in which the connections became idle. */
  const all = new Set<Connection>();
  const byOrigin = new Map<string, Connection[]>();
  let isClosed = false;

  const remove = (connection: Connection) => {
    if (!all.delete(connection)) return;
    const siblings = byOrigin.get(connection.origin) ?? [];
    siblings.splice(siblings.lastIndexOf(connection), 1);
    if (siblings.length === 0) byOrigin.delete(connection.origin);
  };
  const discard = (connection: Connection | undefined) => {
    if (connection === undefined) return;
    remove(connection);
    connection.destroy();
  };
  const isYoung = ({ madeAt }: Connection) => now() - madeAt < limits.lifetimeMs;

  return {
    take(origin, addresses) {
      // The last one used is the least likely to be stale; the others may reach their idle limit.
      for (;;) {
        const connection = byOrigin.get(origin)?.at(-1);
        if (connection === undefined) return undefined;
        const isAnswer = addresses.some(({ address }) => address === connection.address);
        if (isAnswer && connection.isFree && isYoung(connection)) {
          remove(connection);
          return connection;
        }
        discard(connection);
      }
    },
    keep(connection) {
      if (isClosed || !connection.isFree || !isYoung(connection)) return connection.destroy();
      const siblings = byOrigin.get(connection.origin) ?? [];
      byOrigin.set(connection.origin, siblings);
      siblings.push(connection);
      all.add(connection);
      if (siblings.length > limits.idlePerOriginMax) discard(siblings[0]);
      if (all.size > limits.idleMax) discard(all.values().next().value);
    },
    drop: remove,
    close() {
      isClosed = true;
      for (const connection of [...all]) discard(connection);
    },
  };
}
