import type { LookupAddress } from "node:dns";
import type { Connection } from "./connection.ts";
import type { EgressLimits } from "./limits.ts";

/** Connections that nobody uses now, by origin. What is in use is not here: its number is the attempts under way. */
export type IdleConnections = {
  /** One that is connected to one of these addresses, which the caller has just checked; it is the caller's then. */
  take(origin: string, addresses: readonly LookupAddress[]): Connection | undefined;
  /** Takes one that has answered, or closes it. */
  keep(connection: Connection): void;
  /** Forgets one that was closed. */
  drop(connection: Connection): void;
  /** Closes all, and whatever is kept from now on. */
  close(): void;
};

/**
 * Where there is no room, the connection that was idle for longest is closed: first of the same origin, so that no one
 * host has the others' places. An attempt never waits for a connection; where none is idle it makes one.
 *
 * @param now milliseconds of a clock that never goes back
 */
export function createIdleConnections(
  limits: Pick<EgressLimits, "idleMax" | "idlePerOriginMax" | "lifetimeMs">,
  now: () => number,
): IdleConnections {
  /** Both in the order in which they became idle. */
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
      // The one that was used last is the least likely to be stale, and the others may grow old.
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
