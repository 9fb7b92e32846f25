/**
 * How long the database may keep its callers waiting, in milliseconds. A connection can fall silent without
 * breaking (a failover, dropped packets, a stopped server); then only a deadline ends the wait.
 */
export type Deadlines = {
  /**
   * One statement on MySQL, from sending it to its answer. A connection that misses this deadline is closed.
   */
  readonly statementMs: number;
  /** Opening a connection to MySQL (TCP, TLS, greeting, login), and each statement that sets it up. */
  readonly connectMs: number;
  /** Getting a connection to MySQL: waiting for a free one, or opening one and setting it up. */
  readonly acquireMs: number;
  /** A ping of either database. */
  readonly pingMs: number;
};

export const DEADLINES: Deadlines = {
  // Three times a lock wait, and several times the longest regular statement (a step of a fan-out, a recovery
  // or an erasure, a count of 100,000 rows). Short enough that callers and operators notice a failover.
  statementMs: 15_000,
  // A handshake takes milliseconds.
  connectMs: 5_000,
  // Longer than opening a connection may take. A caller that has waited this long for a free one has little
  // hope.
  acquireMs: 10_000,
  // Probes give up after a few seconds: Prometheus after 10, most orchestrators sooner.
  pingMs: 2_000,
};

/** The database did not answer in time. It may still have run the statement, and may have committed. */
export class DeadlinePassed extends Error {
  override readonly name = "DeadlinePassed";
  readonly code = "ETIMEDOUT";
}

/**
 * Calls `passed` after a time. Input that arrived by then is read first: a process that did not run for a
 * while finds the answer and the expired timer together, and the answer counts.
 *
 * @param ms 0 or less: at once; infinite: never
 * @returns a function that cancels the deadline
 */
export function startDeadline(ms: number, passed: () => void): () => void {
  if (ms === Number.POSITIVE_INFINITY) return () => {};
  let last: NodeJS.Immediate | undefined;
  const timer = setTimeout(
    () => {
      last = setImmediate(passed);
    },
    Math.max(0, ms),
  );
  return () => {
    clearTimeout(timer);
    clearImmediate(last);
  };
}

/**
 * Settles as the promise does, or fails after `ms`. The promise then continues, and its result is dropped.
 *
 * @param complaint the message of the error
 * @throws DeadlinePassed
 */
export async function within<T>(ms: number, promise: Promise<T>, complaint: string): Promise<T> {
  return await new Promise<T>((resolve, reject) => {
    const cancel = startDeadline(ms, () => reject(new DeadlinePassed(complaint)));
    promise.then(resolve, reject).finally(cancel);
  });
}
