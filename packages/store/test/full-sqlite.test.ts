import { createTestStore, type TestStore } from "@posthaste/testkit";
import { sql } from "kysely";
import { afterEach, beforeEach, expect, test } from "vitest";
import { claimDeliveries, createAccount, isStoreAway, pingStore, whyDatabaseAway } from "../src/index.ts";
import { benchOn, NOW } from "./fixture.ts";

let t: TestStore;
beforeEach(async () => {
  t = await createTestStore("sqlite");
});
afterEach(() => t.dispose());

const set = async (pragma: string) => void (await sql.raw(`pragma ${pragma}`).execute(t.store.db));
const write = () => createAccount(t.store, { name: "a".repeat(200), now: NOW });

test.each([
  // The limit of a file behaves as a full disk does.
  ["that cannot grow", "max_page_count = 1", "max_page_count = 1000000", "SQLITE_FULL", "full"],
  ["that may not be written", "query_only = 1", "query_only = 0", "SQLITE_READONLY", "read_only"],
])("a file %s counts as unavailable, and is used again when it can", async (_, refuse, allow, code, why) => {
  await set(refuse);
  const error = await (async () => {
    for (;;) await write();
  })().catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code });
  expect(isStoreAway(t.store, error)).toBe(true);
  expect(await whyDatabaseAway(t.store, error)).toBe(why);
  expect(await whyDatabaseAway(t.store)).toBe(why);
  await expect(pingStore(t.store)).rejects.toThrow("refuses every write");
  await set(allow);
  await write();
});

test("a claim on a file that may not be written sets no subscription aside", async () => {
  const { subscribe, ingest } = await benchOn(t);
  for (let n = 0; n < 3; n++) await subscribe();
  await ingest();
  const claim = () =>
    claimDeliveries(t.store, {
      owner: "me",
      limit: 10,
      inFlightMax: 10,
      leaseMs: 30_000,
      now: () => NOW,
      onRefused: (refused) => expect.fail(`set aside: ${JSON.stringify(refused)}`),
    });
  await set("query_only = 1");
  await expect(claim()).rejects.toMatchObject({ code: "SQLITE_READONLY" });
  await set("query_only = 0");
  expect(await claim()).toHaveLength(3);
});
