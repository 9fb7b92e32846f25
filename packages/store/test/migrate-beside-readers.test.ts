import { createTestStore } from "@posthaste/testkit";
import { sql } from "kysely";
import { expect, test } from "vitest";
import { closeStore, migrate, openStore } from "../src/index.ts";

/** The newest migration that alters a table which every call uses. */
const MIGRATION = "0022-idempotency-key-of-event";

test("a migration whose table a long transaction reads lets everybody else go on, and is tried again", async () => {
  const t = await createTestStore("mysql");
  await sql`alter table events drop column idempotency_key`.execute(t.store.db);
  await sql`delete from kysely_migration where name = ${MIGRATION}`.execute(t.store.db);
  const services = await openStore({ url: t.url, poolSize: 2 });
  const { promise: over, resolve: end } = Promise.withResolvers<void>();
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const count = sql<{ events: number }>`select count(*) as events from events`;
  const backup = services.db.transaction().execute(async (tx) => {
    await count.execute(tx);
    begin();
    await over;
  });
  await begun;
  const migrated = migrate(t.store);
  const waiting = sql`select 1 from information_schema.processlist where db = database()
    and state like 'Waiting for table metadata lock%'`;
  await expect.poll(async () => (await waiting.execute(t.store.db)).rows.length, { timeout: 30_000 }).toBe(1);
  // It fails if it is not answered within a service's deadline.
  expect((await count.execute(services.db)).rows).toEqual([{ events: 0 }]);
  end();
  await backup;
  expect(await migrated).toEqual([MIGRATION]);
  await closeStore(services);
  await t.dispose();
});
