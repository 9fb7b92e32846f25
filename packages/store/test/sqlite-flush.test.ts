import { unlinkSync } from "node:fs";
import type { AccountId } from "@posthaste/domain";
import { createTestStore, type TestStore } from "@posthaste/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createAccount, createIngest, getAccount, ingestEvents, isStoreAway } from "../src/index.ts";
import { NOW } from "./fixture.ts";

let t: TestStore;
beforeEach(async () => {
  t = await createTestStore("sqlite");
  // The first read creates the write-ahead log. Once unlinked, the log can be written but not flushed.
  await getAccount(t.store, 1 as AccountId);
  unlinkSync(`${t.url.slice("sqlite:".length)}-wal`);
});
afterEach(() => t.dispose());

const call = {
  accountId: 1 as AccountId,
  now: NOW,
  deliveriesMax: 10,
  events: [{ eventType: "invoice_sent", data: Buffer.from("{}"), idempotencyKey: null }],
};

const errorOf = async (write: Promise<unknown>): Promise<unknown> =>
  await write.then(
    () => undefined,
    (error: unknown) => error,
  );

test("a write whose flush fails is reported as failed, and the database counts as unavailable", async () => {
  for (const write of [
    () => createAccount(t.store, { name: "a", now: NOW }),
    () => ingestEvents(t.store, call),
    () => createIngest(t.store)(call),
  ]) {
    const error = await errorOf(write());
    expect(error).toMatchObject({ code: "SQLITE_IOERR_FSYNC" });
    expect(isStoreAway(t.store, error)).toBe(true);
  }
});

test("a group whose flush failed is not committed again call by call", async () => {
  const ingest = createIngest(t.store);
  const settled = await Promise.allSettled([ingest(call), ingest(call)]);
  expect(settled.map((one) => one.status)).toEqual(["rejected", "rejected"]);
  const { n } = await t.store.db
    .selectFrom("events")
    .select((eb) => eb.fn.countAll().as("n"))
    .executeTakeFirstOrThrow();
  // Both events are stored although their calls failed: a retry with an idempotency key returns them.
  expect(Number(n)).toBe(2);
});
