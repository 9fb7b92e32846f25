import { createEmptyStore, createTestStore, type TestStore } from "@posthaste/testkit";
import { type Kysely, sql } from "kysely";
import { afterEach, expect, test } from "vitest";
import { up as upToInstallation } from "../src/database/migrations/0004-installation.ts";
import { createAccount, migrate, readInstallation, renewInstallation } from "../src/index.ts";
import { NOW } from "./fixture.ts";

const DATABASES = ["sqlite", "mysql"] as const;

let opened: TestStore[] = [];
afterEach(async () => {
  await Promise.all(opened.map(({ dispose }) => dispose()));
  opened = [];
});
const emptyStore = async (database: "sqlite" | "mysql") => {
  const test = await createEmptyStore(database);
  opened.push(test);
  return test.store;
};

test.each(DATABASES)("each new database gets an id of its own, on %s", async (database) => {
  const [one, other] = [await emptyStore(database), await emptyStore(database)];
  await migrate(one);
  await migrate(other);
  const id = await readInstallation(one);
  expect(id).toMatch(/^[a-z2-9]{8}$/);
  expect(await readInstallation(other)).not.toBe(id);
  expect(await migrate(one)).toEqual([]);
  expect(await readInstallation(one)).toBe(id);
});

test.each(DATABASES)(
  "a database in use keeps names without an id when it is upgraded, on %s",
  async (database) => {
    const store = await emptyStore(database);
    await migrate(store);
    await sql`drop table installation`.execute(store.db);
    await createAccount(store, { name: "before", now: NOW });
    await upToInstallation(store.db as Kysely<unknown>, store.seam);
    expect(await readInstallation(store)).toBe("");
  },
);

test.each(DATABASES)("a copy can get an id of its own, on %s", async (database) => {
  const copy = await createTestStore(database);
  opened.push(copy);
  const id = await readInstallation(copy.store);
  const renewed = await renewInstallation(copy.store, { now: 0 });
  expect(renewed).not.toBe(id);
  expect(await readInstallation(copy.store)).toBe(renewed);
});
