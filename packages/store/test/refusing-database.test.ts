import type { AccountId } from "@posthaste/domain";
import { createTestStore, type OwnMysqlServer, startOwnMysql, type TestStore } from "@posthaste/testkit";
import { sql } from "kysely";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import {
  closeStore,
  createAccount,
  createIngest,
  isStoreAway,
  openStore,
  pingStore,
  type Store,
  whyDatabaseAway,
} from "../src/index.ts";
import { NOW } from "./fixture.ts";

/*
 * A real server that is there and refuses: it turns the client away, ends its statements, or has run out of
 * something. Each test makes it refuse one call, and then puts it right: the same store goes on.
 */

const POOL_SIZE = 3;

let server: OwnMysqlServer;
let admin: TestStore;
let store: Store;
beforeAll(async () => {
  server = await startOwnMysql();
});
afterAll(() => server.release());
beforeEach(async () => {
  admin = await createTestStore("mysql", server.url);
  await asAdmin("create or replace user app@'%' identified by 'secret'");
  await asAdmin(`grant select, insert, update, delete on ${database()}.* to app@'%'`);
  const url = Object.assign(new URL(admin.url), { username: "app", password: "secret" });
  store = await openStore({ url: url.href, poolSize: POOL_SIZE });
});
afterEach(async () => {
  await closeStore(store);
  await admin.dispose();
});

const database = () => new URL(admin.url).pathname.slice(1);
const asAdmin = async (statement: string) => void (await sql.raw(statement).execute(admin.store.db));
const sessions = async () => {
  const query = sql<{ id: number }>`select id from information_schema.processlist where user = 'app'`;
  return (await query.execute(admin.store.db)).rows.map(({ id }) => Number(id));
};
const killAll = async (what: "query" | "connection") => {
  for (const id of await sessions()) await asAdmin(`kill ${what} ${id}`);
};
const write = () => createAccount(store, { name: "acme", now: NOW });
const readAtOnce = (calls: number) =>
  Promise.all(Array.from({ length: calls }, () => sql`select sleep(0.2)`.execute(store.db)));
const expectAway = async (call: Promise<unknown>, code: string) => {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ code });
  expect(isStoreAway(store, error)).toBe(true);
};
/** Changes a global variable for the time of a call. */
const withGlobal = async (variable: string, value: number, during: () => Promise<unknown>) => {
  const { rows } = await sql<{ v: number }>`select ${sql.raw(`@@global.${variable}`)} as v`.execute(
    admin.store.db,
  );
  await asAdmin(`set global ${variable} = ${value}`);
  try {
    await during();
  } finally {
    await asAdmin(`set global ${variable} = ${rows[0]?.v}`);
  }
};
/** Makes a statement wait for a row's lock, and calls `end` while it waits. */
const whileItWaits = async (statement: (id: AccountId) => Promise<unknown>, end: () => Promise<unknown>) => {
  const { id } = await createAccount(admin.store, { name: "held", now: NOW });
  const holder = await admin.store.db.startTransaction().execute();
  try {
    await sql`select 1 from accounts where id = ${id} for update`.execute(holder);
    const waiting = statement(id);
    await vi.waitFor(async () => {
      const query = sql`select 1 from information_schema.processlist where info like 'update accounts%'`;
      expect((await query.execute(admin.store.db)).rows).toHaveLength(1);
    });
    await end();
    await waiting;
  } finally {
    await holder.rollback().execute();
  }
};
const rename = (id: AccountId) => sql`update accounts set name = 'x' where id = ${id}`.execute(store.db);

test.each([
  ["statement", "query", "ER_QUERY_INTERRUPTED"],
  ["connection", "connection", "PROTOCOL_CONNECTION_LOST"],
] as const)("a %s that somebody kills counts as unavailable", async (_, what, code) => {
  await whileItWaits(
    (id) => expectAway(rename(id), code),
    () => killAll(what),
  );
  await write();
});

test("a statement that the server's own time limit ends counts as unavailable", async () => {
  await asAdmin("alter user app@'%' with max_statement_time 0.5");
  await whileItWaits(
    (id) => expectAway(rename(id), "ER_STATEMENT_TIMEOUT"),
    async () => {},
  );
  await write();
});

test.each([
  ["password was changed", "identified by 'other'", "ER_ACCESS_DENIED_ERROR"],
  ["user was locked", "account lock", "ER_ACCOUNT_HAS_BEEN_LOCKED"],
  ["password expired", "password expire", "ER_MUST_CHANGE_PASSWORD"],
])(
  "a running process whose %s counts the database as unavailable, until that is put right",
  async (_, change, code) => {
    await write();
    await asAdmin(`alter user app@'%' ${change}`);
    await killAll("connection");
    // A connection that was killed while it was idle is found dead at its next use.
    await write().catch(() => {});
    await expectAway(write(), code);
    await asAdmin("alter user app@'%' identified by 'secret' account unlock");
    await write();
  },
);

test("a user who is blocked for wrong passwords counts the database as unavailable", async () => {
  await withGlobal("max_password_errors", 1, async () => {
    const url = Object.assign(new URL(admin.url), { username: "app", password: "wrong" });
    const wrong = await openStore({ url: url.href, poolSize: 1 });
    await expect(sql`select 1`.execute(wrong.db)).rejects.toThrow("Access denied");
    await closeStore(wrong);
    await expectAway(write(), "ER_USER_IS_BLOCKED");
    await asAdmin("flush privileges");
  });
  await write();
});

test("a privilege that was revoked makes the database count as unavailable", async () => {
  await asAdmin(`revoke all on ${database()}.* from app@'%'`);
  // Of all databases: a session keeps such privileges as they were at its login.
  await asAdmin("grant select on *.* to app@'%'");
  await expectAway(write(), "ER_TABLEACCESS_DENIED_ERROR");
  await asAdmin("grant insert on *.* to app@'%'");
  await write();
});

test.each([
  ["connections", "max_user_connections 1"],
  ["statements in an hour", "max_queries_per_hour 2"],
])("a user's limit on %s makes the database count as unavailable", async (_, limit) => {
  await asAdmin(`alter user app@'%' with ${limit}`);
  await expectAway(readAtOnce(POOL_SIZE), "ER_USER_LIMIT_REACHED");
  await asAdmin("alter user app@'%' with max_user_connections 0 max_queries_per_hour 0");
  await asAdmin("flush user_resources");
  await vi.waitFor(write);
});

test("a server with too many connections counts as unavailable", async () => {
  const { rows } = await sql<{
    n: number;
  }>`select count(*) as n from information_schema.processlist`.execute(admin.store.db);
  // The admin's idle pool already holds some; MariaDB takes no limit below 10.
  const many = await openStore({ url: admin.url, poolSize: 20 });
  await withGlobal("max_connections", Math.max(10, Number(rows[0]?.n)), async () => {
    const all = Array.from({ length: 20 }, () => sql`select sleep(0.5)`.execute(many.db));
    await expectAway(Promise.all(all), "ER_CON_COUNT_ERROR");
    await Promise.allSettled(all);
  });
  await closeStore(many);
  await write();
});

test("a server that cannot keep another prepared statement counts as unavailable", async () => {
  const { id: accountId } = await write();
  const events = [{ eventType: "invoice_sent", data: Buffer.from("{}"), idempotencyKey: null }];
  const ingest = () => createIngest(store)({ accountId, now: NOW, deliveriesMax: 10, events });
  await withGlobal("max_prepared_stmt_count", 0, () =>
    expectAway(ingest(), "ER_MAX_PREPARED_STMT_COUNT_REACHED"),
  );
  await ingest();
});

test("a table that cannot grow counts as unavailable", async () => {
  // The error of a full tablespace, from an engine whose tables are quick to fill.
  await admin.store.db.connection().execute(async (db) => {
    await sql`set session max_heap_table_size = 16384`.execute(db);
    await sql`alter table accounts engine = memory`.execute(db);
  });
  const fill = async () => {
    for (;;) await write();
  };
  const full = await fill().catch((error: unknown) => error);
  await expectAway(Promise.reject(full), "ER_RECORD_FILE_FULL");
  expect(await whyDatabaseAway(store, full)).toBe("full");
  // The same if nothing has failed for whoever asks, as for a probe.
  expect(await whyDatabaseAway(store)).toBe("full");
  await expect(pingStore(store)).rejects.toThrow("refuses every write");
  await asAdmin("alter table accounts engine = innodb");
  await write();
});
