import {
  createEmptyStore,
  createTestStore,
  lockWrites,
  startTcpProxy,
  type TcpProxy,
  TEST_SECRET_KEYS,
  type TestStore,
} from "@posthaste/testkit";
import { type MysqlPoolConnection, sql } from "kysely";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { DEADLINES as DEFAULTS } from "../src/database/dialect/deadlines.ts";
import { createBoundedPool } from "../src/database/dialect/mysql-pool.ts";
import { type Tx, transact } from "../src/database/transact.ts";
import {
  closeStore,
  createAccount,
  createIngest,
  isStoreAway,
  migrate,
  openStore,
  parseSealingKeys,
  pingStore,
  type Store,
} from "../src/index.ts";
import { ingestEventsIn } from "../src/ingest/ingest-events.ts";
import { NOW } from "./fixture.ts";

const POOL_SIZE = 2;
/** Short for quick tests, but long enough that a live server on a busy machine does not count as silent. */
const DEADLINES = { statementMs: 1_500, connectMs: 1_500, acquireMs: 3_000, pingMs: 1_500 };

const secretKeys = parseSealingKeys(TEST_SECRET_KEYS);

let direct: TestStore;
let proxy: TcpProxy;
let store: Store;

beforeAll(async () => {
  direct = await createTestStore("mysql");
});
afterAll(() => direct.dispose());
beforeEach(async () => {
  const target = new URL(direct.url);
  proxy = await startTcpProxy({ host: target.hostname, port: Number(target.port) });
  target.port = String(proxy.port);
  store = await openStore({ url: target.href, poolSize: POOL_SIZE, deadlines: DEADLINES });
});
afterEach(async () => {
  await closeStore(store);
  await proxy.stop();
});

const statement = (through: Store = store) => sql`select 1`.execute(through.db);
const insert = (name: string) => createAccount(store, { name, now: NOW });
/** Returns the error of a rejected promise. A fulfilled promise fails the test. */
const failureOf = async (call: Promise<unknown>): Promise<Error> =>
  await call.then(
    () => {
      throw new Error("the call succeeded");
    },
    (error: Error) => error,
  );
const expectAway = async (call: Promise<unknown>) => {
  const error = await failureOf(call);
  expect(isStoreAway(store, error), String(error.stack)).toBe(true);
  return error;
};
/** Waits until a statement is sent. With a free connection, that takes one turn of the event loop. */
const statementSent = () => new Promise((resolve) => setImmediate(resolve));
/** Uses every connection of the pool at once, which fails if a caller that gave up has leaked one. */
async function expectWholePool(): Promise<void> {
  let inUse = 0;
  let allInUse = () => {};
  const all = new Promise<void>((resolve) => {
    allInUse = resolve;
  });
  const hold = () =>
    transact(store, async (tx) => {
      await sql`select 1`.execute(tx);
      inUse += 1;
      if (inUse === POOL_SIZE) allInUse();
      await all;
    });
  await Promise.all(Array.from({ length: POOL_SIZE }, hold));
}

describe("a database that falls silent", () => {
  test("fails a statement, and all that wait for its connection, as unavailable", async () => {
    await expectWholePool();
    proxy.silence();
    const calls = Array.from({ length: 3 * POOL_SIZE }, () => statement());
    await Promise.all(calls.map(expectAway));
    proxy.mend();
    await expectWholePool();
  });

  test("costs one deadline, after which idle connections are not reused", async () => {
    await expectWholePool();
    // As after a failover: the open connections are dead, but new ones work.
    proxy.silence();
    proxy.mend();
    await expectAway(statement());
    await statement();
    await expectWholePool();
  });

  test("fails a prepared statement as unavailable", async () => {
    const ingest = createIngest(store);
    const { id: accountId } = await insert("first");
    const call = (idempotencyKey: string) =>
      ingest({
        accountId,
        now: NOW,
        deliveriesMax: 10,
        events: [{ eventType: "invoice_sent", data: Buffer.from("{}"), idempotencyKey }],
      });
    await call("a");
    proxy.silence();
    await Promise.all([expectAway(call("b")), expectAway(call("c"))]);
    proxy.mend();
    await expect(call("b")).resolves.toMatchObject([{ duplicate: false }]);
  });

  test("in a transaction rolls it back, and its other statements are not sent", async () => {
    let runs = 0;
    const begun = transact(store, async (tx) => {
      runs += 1;
      await sql`insert into accounts (name, created_at) values ('half', ${NOW})`.execute(tx);
      proxy.silence();
      await sql`insert into accounts (name, created_at) values ('other half', ${NOW})`.execute(tx);
    });
    const error = await expectAway(begun);
    expect(error.message).toContain("did not answer a statement");
    expect(runs).toBe(1);
    proxy.mend();
    const halves = store.db.selectFrom("accounts").select("name").where("name", "like", "%half");
    expect(await halves.execute()).toEqual([]);
    await expectWholePool();
  });

  test("during the rollback after an error does not hide that error", async () => {
    const begun = transact(store, async (tx) => {
      await sql`select 1`.execute(tx);
      proxy.silence();
      throw new Error("refused");
    });
    expect((await failureOf(begun)).message).toBe("refused");
    proxy.mend();
    await expectWholePool();
  });

  test("during a commit leaves its result unknown until a retry with the same key", async () => {
    const { id: accountId } = await insert("first");
    const call = (extra: (tx: Tx) => void = () => {}) =>
      transact(store, async (tx) => {
        const events = [{ eventType: "invoice_sent", data: Buffer.from("{}"), idempotencyKey: "a" }];
        const stored = await ingestEventsIn(store, tx, { accountId, now: NOW, deliveriesMax: 10, events });
        extra(tx);
        return stored;
      });
    // The commit gets through; its answer does not.
    await expectAway(call(() => proxy.silence("server")));
    const stored = direct.store.db.selectFrom("events").select("id").where("account_id", "=", accountId);
    expect(await stored.execute()).toHaveLength(1);
    proxy.mend();
    await expect(call()).resolves.toMatchObject([{ duplicate: true }]);
    await expectWholePool();
  });

  test("fails a new connection as unavailable", async () => {
    proxy.silence();
    await expectAway(statement());
    proxy.mend();
    await expectWholePool();
  });

  test("does not keep a store from being closed", async () => {
    await statement();
    proxy.silence();
    const call = expectAway(statement());
    await statementSent();
    await closeStore(store);
    await call;
  });
});

test("a wait for a connection fails as unavailable at its deadline, and the pool stays whole", async () => {
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const holding = Array.from({ length: POOL_SIZE }, () =>
    transact(store, async (tx) => {
      await sql`select 1`.execute(tx);
      await released;
    }),
  );
  const error = await expectAway(statement());
  expect(error.message).toContain("no connection");
  release();
  await Promise.all(holding);
  await expectWholePool();
});

test("a connection that opens too late for its caller goes to the next caller", async () => {
  const pool = createBoundedPool({
    driver: { uri: direct.url },
    size: 1,
    deadlines: { ...DEADLINES, connectMs: 30_000, acquireMs: 50 },
    onError: () => {},
    // Delays the connection.
    session: ["select sleep(0.5)"],
  });
  const acquire = () =>
    new Promise<MysqlPoolConnection>((resolve, reject) =>
      pool.getConnection((error, connection) => (connection ? resolve(connection) : reject(error))),
    );
  try {
    await expectAway(acquire());
    const connection = await vi.waitFor(acquire, { timeout: 20_000 });
    connection.release();
  } finally {
    await pool.close();
  }
});

test("a connection that breaks in a transaction fails it as unavailable", async () => {
  const begun = transact(store, async (tx) => {
    await sql`select 1`.execute(tx);
    proxy.cut();
    await expectAway(Promise.resolve(sql`select 1`.execute(tx)));
    await sql`select 1`.execute(tx);
  });
  await expectAway(begun);
  proxy.mend();
  await expectWholePool();
});

test("concurrent pings of a silent database open no connection and all fail as unavailable", async () => {
  await statement();
  const before = proxy.opened();
  proxy.silence();
  await Promise.all(Array.from({ length: 20 }, () => expectAway(pingStore(store))));
  // All pings shared the open connection.
  expect(proxy.opened() - before).toBe(0);
  proxy.mend();
  await expectWholePool();
});

test.each([
  ["greets", 0],
  ["answers the login", 1],
  ["answers the first statement of the session", 2],
  ["answers the last statement of the session", 5],
])("a server that falls silent before it %s counts as unavailable", async (_, times) => {
  proxy.silenceAfter(times);
  await expectAway(statement());
  proxy.mend();
  await expectWholePool();
});

test("an answer that arrives while the process is blocked still counts", async () => {
  // Bypasses the proxy, which runs in this process and would be blocked too.
  const unproxied = await openStore({ url: direct.url, deadlines: DEADLINES });
  try {
    await statement(unproxied);
    const call = sql`select sleep(0.1)`.execute(unproxied.db);
    await statementSent();
    // Blocks past the deadline, so that the answer waits unread when the timer fires.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2 * DEADLINES.statementMs);
    await expect(call).resolves.toBeDefined();
  } finally {
    await closeStore(unproxied);
  }
});

test("migrations have no statement deadline", async () => {
  const empty = await createEmptyStore("mysql");
  const hasty = await openStore({ url: empty.url, secretKeys, deadlines: { statementMs: 1 } });
  try {
    await expectAway(sql`select sleep(1)`.execute(hasty.db));
    expect(await migrate(hasty)).toContain("0001-initial");
  } finally {
    await closeStore(hasty);
    await empty.dispose();
  }
});

test("the server ends a session, and releases its locks, after 60 s of silence", async () => {
  const { rows } = await sql<{ s: number }>`select @@session.wait_timeout as s`.execute(store.db);
  expect(rows).toEqual([{ s: 60 }]);
});

test("a ping fails in time while a waiting writer holds SQLite's only connection", async () => {
  const { store, url, dispose } = await createTestStore("sqlite");
  const hasty = await openStore({ url, deadlines: { pingMs: 100 } });
  const lock = await lockWrites(url);
  try {
    let isDone = false;
    const waiting = createAccount(hasty, { name: "waiting", now: NOW }).finally(() => {
      isDone = true;
    });
    const error = await failureOf(pingStore(hasty));
    expect(isStoreAway(hasty, error)).toBe(true);
    expect(isDone).toBe(false);
    await lock.release();
    await waiting;
    await pingStore(hasty);
    await pingStore(store);
  } finally {
    await closeStore(hasty);
    await dispose();
  }
});

test("the default deadlines are statement 15 s, new connection 5 s, wait for one 10 s, ping 2 s", () => {
  expect(DEFAULTS).toEqual({ statementMs: 15_000, connectMs: 5_000, acquireMs: 10_000, pingMs: 2_000 });
});
