import { TEST_SECRET_KEYS } from "@posthaste/testkit";
import { type CompiledQuery, type DatabaseConnection, type Dialect, Kysely } from "kysely";
import { closeStore, openStore, parseSealingKeys, type Store } from "../src/index.ts";
import type { Bench } from "./fixture.ts";
import { waitForLockWaits } from "./lock-waits.ts";

/** Another process's store, which stops in the middle of a transaction. */
export type HeldStore = {
  readonly store: Store;
  /** Resolves once it has stopped. */
  readonly stopped: Promise<void>;
  /** Lets it go on. It does not stop again. */
  goOn(): void;
  close(): Promise<void>;
};

/**
 * Opens a database so that it stops right after the first statement whose text matches. Its transaction then
 * holds the locks that it has taken so far, and knows only what it has read so far.
 *
 * @param statement compared with the text in lower case, without quotes around names
 */
export async function holdAfter(url: string, statement: RegExp): Promise<HeldStore> {
  const store = await openStore({ url, secretKeys: parseSealingKeys(TEST_SECRET_KEYS) });
  const stopped = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  let isHeld = false;
  const hold = async ({ sql }: CompiledQuery) => {
    if (isHeld || !statement.test(sql.toLowerCase().replaceAll(/[`"]/g, ""))) return;
    isHeld = true;
    stopped.resolve();
    await released.promise;
  };
  const db: Store["db"] = new Kysely({ dialect: callingAfterEach(store.seam.dialect, hold) });
  return {
    store: { ...store, db },
    stopped: stopped.promise,
    goOn: released.resolve,
    async close() {
      released.resolve();
      await db.destroy();
      await closeStore(store);
    },
  };
}

/** Calls `then` after each statement, and waits for it before the statement's result is returned. */
function callingAfterEach(dialect: Dialect, then: (query: CompiledQuery) => Promise<void>): Dialect {
  const known = new WeakSet<DatabaseConnection>();
  return {
    createAdapter: () => dialect.createAdapter(),
    createIntrospector: (db) => dialect.createIntrospector(db),
    createQueryCompiler: () => dialect.createQueryCompiler(),
    createDriver() {
      const driver = dialect.createDriver();
      const acquire = driver.acquireConnection.bind(driver);
      driver.acquireConnection = async () => {
        const connection = await acquire();
        if (known.has(connection)) return connection;
        known.add(connection);
        const execute = connection.executeQuery.bind(connection);
        connection.executeQuery = async <R>(query: CompiledQuery) => {
          const result = await execute<R>(query);
          await then(query);
          return result;
        };
        return connection;
      };
      return driver;
    },
  };
}

/**
 * Runs two calls on one MySQL database so that they overlap in the worst way: the first stops right after a
 * statement, the second runs until it has ended, waits for a lock of the first or has to come again for one,
 * and the first goes on.
 *
 * @param stopAfter see {@link holdAfter}
 * @returns what both returned, whether the second one had to wait, and how many transactions of the two the
 *   database rolled back for their timing: none, if both lock in the same order
 * @throws what either throws
 */
export async function overlap<A, B>(
  { store, url }: Bench,
  stopAfter: RegExp,
  first: (store: Store) => Promise<A>,
  second: (store: Store) => Promise<B>,
): Promise<{ first: A; second: B; hasWaited: boolean; rolledBack: number }> {
  const held = await holdAfter(url, stopAfter);
  let rolledBack = 0;
  let comesAgain = false;
  const counting = (counted: Store): Store => {
    const isContention = (error: unknown) => {
      const isCounted = counted.seam.isContention(error);
      if (isCounted) rolledBack += 1;
      return isCounted;
    };
    return { ...counted, seam: { ...counted.seam, isContention } };
  };
  try {
    const firstEnds = first(counting(held.store));
    await Promise.race([held.stopped, firstEnds.then(() => notStopped(stopAfter))]);
    let hasEnded = false;
    const asked = new Set<string>();
    const db: Store["db"] = new Kysely({
      dialect: callingAfterEach(store.seam.dialect, async ({ sql, parameters }) => {
        if (!/skip locked|nowait/i.test(sql)) return;
        const statement = JSON.stringify([sql, parameters]);
        if (asked.has(statement)) comesAgain = true;
        asked.add(statement);
      }),
    });
    const secondEnds = second(counting({ ...store, db })).finally(() => {
      hasEnded = true;
    });
    // Handled below; until then, it is no unhandled rejection.
    secondEnds.catch(() => {});
    await waitForLockWaits(store, 1, () => hasEnded || comesAgain);
    const hasWaited = !hasEnded;
    held.goOn();
    return { first: await firstEnds, second: await secondEnds, hasWaited, rolledBack };
  } finally {
    await held.close();
  }
}

function notStopped(statement: RegExp): never {
  throw new Error(`no statement matched ${statement}`);
}
