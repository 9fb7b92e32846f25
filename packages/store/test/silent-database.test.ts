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
import { ingestCallsIn } from "../src/ingest/ingest-events.ts";
import { NOW } from "./fixture.ts";

const POOL_SIZE = 2;
/** Short, so that a test is; long enough that a busy machine's own server is not taken for silent. */
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
/** What it fails with; a promise that is kept fails the test. */
const failureOf = async (call: Promise<unknown>): Promise<Error> =>
  await call.then(
    () => {
      throw new Error("it was answered");
    },
    (error: Error) => error,
  );
const expectAway = async (call: Promise<unknown>) => {
  const error = await failureOf(call);
  expect(isStoreAway(store, error), String(error.stack)).toBe(true);
  return error;
};
/** Where a connection is free, a statement is sent in the turn of the event loop in which it is asked for. */
const isSent = () => new Promise((resolve) => setImmediate(resolve));
/** Every connection of the pool is in use at once: none was lost to a caller that gave up. */
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
  test("is away for a statement, and for all that wait for its connection", async () => {
    await expectWholePool();
    proxy.silence();
    const calls = Array.from({ length: 3 * POOL_SIZE }, () => statement());
    await Promise.all(calls.map(expectAway));
    proxy.mend();
    await expectWholePool();
  });

  test("costs one deadline: connections that have not answered since are not used again", async () => {
    await expectWholePool();
    // Each connection is dead, and new ones are not, as after a failover.
    proxy.silence();
    proxy.mend();
    await expectAway(statement());
    await statement();
    await expectWholePool();
  });

  test("is away for a statement that is prepared", async () => {
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

  test("in the middle of a transaction, takes all of it back and leaves the rest of it unsaid", async () => {
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

  test("when a refusal is to be rolled back, does not hide the refusal", async () => {
    const begun = transact(store, async (tx) => {
      await sql`select 1`.execute(tx);
      proxy.silence();
      throw new Error("refused");
    });
    expect((await failureOf(begun)).message).toBe("refused");
    proxy.mend();
    await expectWholePool();
  });

  test("when it has heard of a commit, does not say what became of it; an idempotency key tells", async () => {
    const { id: accountId } = await insert("first");
    const call = (extra: (tx: Tx) => void = () => {}) =>
      transact(store, async (tx) => {
        const events = [{ eventType: "invoice_sent", data: Buffer.from("{}"), idempotencyKey: "a" }];
        const [stored] = await ingestCallsIn(
          store,
          tx,
          [{ accountId, now: NOW, deliveriesMax: 10, events }],
          10,
        );
        extra(tx);
        return stored;
      });
    // The commit gets through; its answer does not.
    await expectAway(call(() => proxy.silence("server")));
    const stored = direct.store.db.selectFrom("events").select("id").where("account_id", "=", accountId);
    expect(await stored.execute()).toHaveLength(1);
    proxy.mend();
    await expect(call()).resolves.toMatchObject({ result: [{ duplicate: true }] });
    await expectWholePool();
  });

  test("is away for who connects", async () => {
    proxy.silence();
    await expectAway(statement());
    proxy.mend();
    await expectWholePool();
  });

  test("does not keep a store from being closed", async () => {
    await statement();
    proxy.silence();
    const call = expectAway(statement());
    await isSent();
    await closeStore(store);
    await call;
  });
});

test("a connection that is not had in time is away, and comes back to the pool all the same", async () => {
  let letGo = () => {};
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const holding = Array.from({ length: POOL_SIZE }, () =>
    transact(store, async (tx) => {
      await sql`select 1`.execute(tx);
      await held;
    }),
  );
  const error = await expectAway(statement());
  expect(error.message).toContain("no connection");
  letGo();
  await Promise.all(holding);
  await expectWholePool();
});

test("a connection that is made too late for its caller goes to the next", async () => {
  const pool = createBoundedPool({
    driver: { uri: direct.url },
    size: 1,
    deadlines: { ...DEADLINES, connectMs: 30_000, acquireMs: 50 },
    // What makes it late.
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

test("a connection that breaks in the middle of a transaction is away, too", async () => {
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

test("many pings at once ask once, and none is waited for longer than a probe waits", async () => {
  await statement();
  const before = proxy.opened();
  proxy.silence();
  await Promise.all(Array.from({ length: 20 }, () => expectAway(pingStore(store))));
  // The connection that was there did for all of them.
  expect(proxy.opened() - before).toBe(0);
  proxy.mend();
  await expectWholePool();
});

test.each([
  ["greets", 0],
  ["answers the login", 1],
  ["answers the first statement of the session", 2],
  ["answers the last statement of the session", 5],
])("a server that falls silent before it %s is away", async (_, times) => {
  proxy.silenceAfter(times);
  await expectAway(statement());
  proxy.mend();
  await expectWholePool();
});

test("an answer that came while the process stood still counts", async () => {
  // Past the proxy, which stands still with this process.
  const still = await openStore({ url: direct.url, deadlines: DEADLINES });
  try {
    await statement(still);
    const call = sql`select sleep(0.1)`.execute(still.db);
    await isSent();
    // Nothing is read meanwhile, and then the time is over.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2 * DEADLINES.statementMs);
    await expect(call).resolves.toBeDefined();
  } finally {
    await closeStore(still);
  }
});

test("migrations take as long as they take", async () => {
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

test("a session whose client is not heard any more ends, and its locks with it", async () => {
  const { rows } = await sql<{ s: number }>`select @@session.wait_timeout as s`.execute(store.db);
  expect(rows).toEqual([{ s: 60 }]);
});

test("SQLite's only connection, held by somebody who waits for another process, does not hold up a ping", async () => {
  const { store, url, dispose } = await createTestStore("sqlite");
  const hasty = await openStore({ url, deadlines: { pingMs: 100 } });
  const lock = await lockWrites(url);
  try {
    let isOver = false;
    const waits = createAccount(hasty, { name: "waits", now: NOW }).finally(() => {
      isOver = true;
    });
    const error = await failureOf(pingStore(hasty));
    expect(isStoreAway(hasty, error)).toBe(true);
    expect(isOver).toBe(false);
    await lock.release();
    await waits;
    await pingStore(hasty);
    await pingStore(store);
  } finally {
    await closeStore(hasty);
    await dispose();
  }
});

test("by default a statement has 15 s, a connection 10 s, 5 of them to be made, and a ping 2 s", () => {
  expect(DEFAULTS).toEqual({ statementMs: 15_000, connectMs: 5_000, acquireMs: 10_000, pingMs: 2_000 });
});
