import { createTestStore, type OwnMysqlServer, startOwnMysql, type TestStore } from "@posthaste/testkit";
import { sql } from "kysely";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Tx, transact } from "../src/database/transact.ts";
import {
  closeStore,
  createAccount,
  isStoreAway,
  openStore,
  pingStore,
  type Store,
  whyDatabaseAway,
} from "../src/index.ts";

const POOL_SIZE = 18;

let server: OwnMysqlServer;
let admin: TestStore;
let store: Store;
beforeEach(async () => {
  server = await startOwnMysql();
  admin = await createTestStore("mysql", server.url);
  const grants = [
    "create user app@'%' identified by 'secret'",
    "grant select, insert, update, delete on *.* to app@'%'",
  ];
  for (const grant of grants) await sql.raw(grant).execute(admin.store.db);
  const url = Object.assign(new URL(admin.url), { username: "app", password: "secret" });
  store = await openStore({ url: url.href, poolSize: POOL_SIZE });
});
afterEach(async () => {
  await closeStore(store);
  await admin.dispose();
  await server.release();
});

const connections = async () => {
  const query = sql<{
    id: number;
  }>`select id from information_schema.processlist where user = 'app' order by id`;
  return (await query.execute(admin.store.db)).rows.map(({ id }) => Number(id));
};
const write = () => createAccount(store, { name: "acme", now: 0 });

const asAdmin = async (statement: string) => void (await sql.raw(statement).execute(admin.store.db));
/** Runs a statement on every connection of the pool, all at the same time. */
const onEach = async (statement: (tx: Tx) => Promise<unknown>) => {
  let inUse = 0;
  let allInUse = () => {};
  const all = new Promise<void>((resolve) => (allInUse = resolve));
  const one = async (tx: Tx) => {
    await sql`select 1`.execute(tx);
    inUse += 1;
    if (inUse === POOL_SIZE) allInUse();
    await all;
    await statement(tx);
  };
  return await Promise.allSettled(Array.from({ length: POOL_SIZE }, () => transact(store, one)));
};
const read = async (tx: Tx) => await sql`select 1 from accounts`.execute(tx);

test.each([
  ["the server", "read_only", "ER_OPTION_PREVENTS_STATEMENT"],
  ["every new session", "tx_read_only", "ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION"],
])(
  "%s that turns read-only counts as unavailable, and all connections are replaced",
  async (_, variable, code) => {
    if (variable === "tx_read_only") await asAdmin(`set global ${variable} = 1`);
    await onEach(read);
    const before = await connections();
    expect(before).toHaveLength(POOL_SIZE);
    await asAdmin(`set global ${variable} = 1`);
    const refused = await write().catch((error: unknown) => error);
    expect(refused).toMatchObject({ code });
    expect(isStoreAway(store, refused)).toBe(true);
    // As after a switchover: the same address now leads to a writable server.
    await asAdmin(`set global ${variable} = 0`);
    await write();
    await onEach(read);
    const after = await connections();
    expect(after.filter((id) => before.includes(id))).toEqual([]);
  },
);

test("connections that a read-only server still answers are replaced after the first refused write", async () => {
  await onEach(read);
  const before = await connections();
  await asAdmin("set global read_only = 1");
  let refused: unknown;
  let first = true;
  await onEach(async (tx) => {
    if (first) {
      first = false;
      refused = await sql`insert into accounts (name, created_at) values ('a', 0)`
        .execute(tx)
        .catch((error: unknown) => error);
    }
    await vi.waitFor(() => expect(refused).toBeDefined());
    await read(tx);
  });
  await asAdmin("set global read_only = 0");
  await onEach(read);
  const after = await connections();
  expect(after).toHaveLength(POOL_SIZE);
  expect(after.filter((id) => before.includes(id))).toEqual([]);
});

test("a read-only server answers no ping, although nothing was written yet, and any when it is writable", async () => {
  await pingStore(store);
  await asAdmin("set global read_only = 1");
  await expect(pingStore(store)).rejects.toThrow("read-only");
  expect(await whyDatabaseAway(store)).toBe("read_only");
  await asAdmin("set global read_only = 0");
  await pingStore(store);
});

test.each([
  ["of a read-only server", "set global read_only = 1", "set global read_only = 0"],
  ["for want of a privilege", "revoke insert on *.* from app@'%'", "grant insert on *.* to app@'%'"],
])("a refusal %s is everybody's, even if the server takes writes again by then", async (_, refuse, allow) => {
  await asAdmin(refuse);
  const refused = await write().catch((error: unknown) => error);
  await asAdmin(allow);
  await write();
  expect(await whyDatabaseAway(store, refused)).toBe("read_only");
});

test("a user who may not write any more counts as a database that is unavailable", async () => {
  await asAdmin("revoke insert on *.* from app@'%'");
  await write().catch(() => {});
  await expect(pingStore(store)).rejects.toThrow("refuses every write");
});
