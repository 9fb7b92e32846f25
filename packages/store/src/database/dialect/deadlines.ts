/**
 * How long the database may keep its callers waiting, in milliseconds. A connection can fall silent without
 * breaking (a failover, dropped packets, a stopped server), and then only a deadline ends the wait.
 */
export type Deadlines = {
  /** One statement on MySQL, from sending it to its answer. A connection that misses it is closed. */
  readonly statementMs: number;
  /** Making a connection to MySQL (TCP, TLS, greeting, login), and each statement that sets it up. */
  readonly connectMs: number;
  /** Getting a connection to MySQL: waiting for a free one, or making one and setting it up. */
  readonly acquireMs: number;
  /** A ping of either database. */
  readonly pingMs: number;
};

export const DEADLINES: Deadlines = {
  // Three times a lock wait, and several times the longest regular statement (a step of a fan-out, a recovery
  // or an erasure, a count of 100,000 rows); short enough that callers and operators notice a failover.
  statementMs: 15_000,
  // A handshake takes milliseconds.
  connectMs: 5_000,
  // Longer than making a connection takes at most. Who waits longer for a free one has little hope.
  acquireMs: 10_000,
  // Whoever probes gives up after a few seconds: Prometheus after 10, most orchestrators sooner.
  pingMs: 2_000,
};

/** The database did not answer in time. It may have done what it was asked to, and may have committed. */
export class DeadlinePassed extends Error {
  override readonly name = "DeadlinePassed";
  readonly code = "ETIMEDOUT";
}

/**
 * Calls back when the time is over. What has arrived by then is read first: a process that stood still finds
 * the answer and the end of the time at once, and the answer counts.
 *
 * @param ms infinite: never
 * @returns a function that calls it off
 */
export function startDeadline(ms: number, passed: () => void): () => void {
  if (ms === Number.POSITIVE_INFINITY) return () => {};
  let last: NodeJS.Immediate | undefined;
  const timer = setTimeout(() => {
    last = setImmediate(passed);
  }, ms);
  return () => {
    clearTimeout(timer);
    clearImmediate(last);
  };
}

/**
 * Settles as the promise does. After a deadline the promise goes on, and what it comes to is dropped.
 *
 * @throws DeadlinePassed
 */
export async function within<T>(ms: number, promise: Promise<T>, complaint: string): Promise<T> {
  return await new Promise<T>((resolve, reject) => {
    const cancel = startDeadline(ms, () => reject(new DeadlinePassed(complaint)));
    promise.then(resolve, reject).finally(cancel);
  });
}
