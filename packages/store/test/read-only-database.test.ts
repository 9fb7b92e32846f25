import { createTestStore, type OwnMysqlServer, startOwnMysql, type TestStore } from "@posthaste/testkit";
import { sql } from "kysely";
import { afterEach, beforeEach, expect, test } from "vitest";
import { closeStore, createAccount, isStoreAway, openStore, type Store } from "../src/index.ts";

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
  store = await openStore({ url: url.href, poolSize: 2 });
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

test("a server that turns read-only counts as unavailable, and its connections are replaced", async () => {
  await Promise.all([write(), write()]);
  const before = await connections();
  expect(before).toHaveLength(2);
  await sql.raw("set global read_only = 1").execute(admin.store.db);
  const refused = await write().catch((error: unknown) => error);
  expect(isStoreAway(store, refused)).toBe(true);
  // As after a failover: the same address now leads to a writable server.
  await sql.raw("set global read_only = 0").execute(admin.store.db);
  await Promise.all([write(), write()]);
  const after = await connections();
  expect(after.filter((id) => before.includes(id))).toEqual([]);
});
