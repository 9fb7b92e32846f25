import {
  copyFileSync,
  fstatSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AccountId } from "@posthaste/domain";
import { createTestStore, type TestStore } from "@posthaste/testkit";
import { Kysely, sql } from "kysely";
import { afterEach, beforeEach, expect, test } from "vitest";
import { sqliteSeam } from "../src/database/dialect/sqlite.ts";
import type { LogDisk } from "../src/database/dialect/sync-log.ts";
import {
  closeStore,
  createAccount,
  createIngest,
  ingestEvents,
  isStoreAway,
  openStore,
  type Store,
} from "../src/index.ts";
import { NOW } from "./fixture.ts";

/*
 * No real disk fails on demand, so a simulated one stands between the log and the file: a flush that fails
 * leaves what it did not write marked as written, as Linux does.
 */

let t: TestStore;
let disk: FailingDisk;
let store: Store;
beforeEach(async () => {
  t = await createTestStore("sqlite");
  disk = createDisk(fileOf(t.url));
  store = openOn(disk);
  await createAccount(store, { name: "first", now: NOW });
});
afterEach(async () => {
  await closeStore(store);
  await t.dispose();
});

const fileOf = (url: string) => url.slice("sqlite:".length);
const openOn = (on: LogDisk): Store => {
  const seam = sqliteSeam(fileOf(t.url), on);
  return { ...t.store, db: new Kysely({ dialect: seam.dialect }), seam };
};

type FailingDisk = LogDisk & {
  /** Makes every flush fail. `loses` also drops what was not written from memory, as some systems do. */
  fail(how?: "loses"): void;
  mend(): void;
  /** Returns what the disk has of the log. */
  content(): Buffer;
};

function createDisk(path: string): FailingDisk {
  let how: "works" | "fails" | "loses" = "works";
  /** Bytes from the start that the system takes for written. The rest is new. */
  let cleanBytes = 0;
  let content = Buffer.alloc(0);
  let rewritten: { position: number; bytes: Uint8Array }[] = [];
  return {
    write: async (_file, bytes, position) => void rewritten.push({ position, bytes: Buffer.from(bytes) }),
    flush: async (file) => {
      const { size } = fstatSync(file);
      const [from, again] = [cleanBytes, rewritten];
      cleanBytes = size;
      rewritten = [];
      content = Buffer.concat([content, Buffer.alloc(size - content.length)]);
      if (how === "loses") writeSync(file, Buffer.alloc(size - from), 0, size - from, from);
      if (how !== "works") throw Object.assign(new Error("the disk failed"), { code: "EIO" });
      readFileSync(`${path}-wal`).copy(content, from, from);
      for (const { position, bytes } of again) content.set(bytes, position);
    },
    fail: (as) => {
      how = as ?? "fails";
    },
    mend: () => {
      how = "works";
    },
    content: () => content,
  };
}

/** Returns the keys of the events that the database would have after a power cut. */
async function keysAfterPowerCut(): Promise<string[]> {
  const dir = mkdtempSync(join(tmpdir(), "posthaste-power-cut-"));
  const path = join(dir, "a.db");
  copyFileSync(fileOf(t.url), path);
  writeFileSync(`${path}-wal`, disk.content());
  const after = await openStore({ url: `sqlite:${path}` });
  const rows = await after.db.selectFrom("events").select("data").execute();
  await closeStore(after);
  rmSync(dir, { recursive: true });
  return rows.map(({ data }) => JSON.parse(data.toString()).key).sort();
}

const call = (idempotencyKey: string | null, text = "") => ({
  accountId: 1 as AccountId,
  now: NOW,
  deliveriesMax: 10,
  events: [
    {
      eventType: "invoice_sent",
      data: Buffer.from(JSON.stringify({ key: idempotencyKey, text })),
      idempotencyKey,
    },
  ],
});
const ingest = async (key: string, through: Store = store, text?: string) =>
  (await ingestEvents(through, call(key, text)))[0];
const errorOf = async (action: Promise<unknown>): Promise<unknown> =>
  await action.then(
    () => undefined,
    (error: unknown) => error,
  );
const expectUnflushed = async (action: Promise<unknown>) => {
  const error = await errorOf(action);
  expect(error).toMatchObject({ code: "SQLITE_IOERR_FSYNC" });
  expect(isStoreAway(store, error)).toBe(true);
  return error as Error;
};

test.each([
  ["an ordinary write", () => createAccount(store, { name: "a", now: NOW })],
  ["a transaction", () => ingestEvents(store, call(null))],
  ["a group", () => createIngest(store)(call(null))],
])("%s whose flush fails is reported as failed, and the database counts as unavailable", async (_, write) => {
  await write();
  disk.fail();
  await expectUnflushed(write());
});

test("a group whose flush failed is not committed again call by call", async () => {
  await ingest("first");
  disk.fail();
  const group = createIngest(store);
  const settled = await Promise.allSettled([group(call("a")), group(call("b"))]);
  expect(settled.map((one) => one.status)).toEqual(["rejected", "rejected"]);
  disk.mend();
  // Both events are stored although their calls failed: a retry with an idempotency key returns them.
  expect(await ingest("a")).toMatchObject({ duplicate: true });
  expect(await ingest("b")).toMatchObject({ duplicate: true });
  const { rows } = await sql<{ n: number }>`select count(*) as n from events`.execute(store.db);
  expect(rows).toEqual([{ n: 3 }]);
});

test("what is acknowledged after a failed flush survives a power cut, repetitions too", async () => {
  await ingest("before");
  disk.fail();
  await expectUnflushed(ingest("unflushed"));
  disk.mend();
  expect(await ingest("unflushed")).toMatchObject({ duplicate: true });
  expect(await keysAfterPowerCut()).toEqual(["before", "unflushed"]);
  await ingest("after");
  expect(await keysAfterPowerCut()).toEqual(["after", "before", "unflushed"]);
});

test("while the disk fails, nothing is read either, since it may not be on the disk", async () => {
  await ingest("before");
  disk.fail();
  await expectUnflushed(ingest("unflushed"));
  await expectUnflushed(sql`select 1 from events`.execute(store.db));
  await expectUnflushed(ingest("unflushed"));
  disk.mend();
  await sql`select 1 from events`.execute(store.db);
  expect(await keysAfterPowerCut()).toEqual(["before", "unflushed"]);
});

test("a process that starts after another's failed flush writes the whole log again, however long", async () => {
  // Several times what is written at once, and less than SQLite copies into the database by itself.
  for (let i = 0; i < 5; i++) await ingest(`large ${i}`, store, "x".repeat(600_000));
  disk.fail();
  await expectUnflushed(ingest("unflushed"));
  disk.mend();
  const next = openOn(disk);
  expect(await ingest("unflushed", next)).toMatchObject({ duplicate: true });
  expect(await keysAfterPowerCut()).toEqual([...[0, 1, 2, 3, 4].map((i) => `large ${i}`), "unflushed"]);
  await closeStore(next);
});

test("a log that the system dropped from memory is not used again, nor copied into the database", async () => {
  await ingest("before");
  const before = readFileSync(fileOf(t.url));
  disk.fail("loses");
  await expectUnflushed(ingest("lost"));
  disk.mend();
  for (let i = 0; i < 2; i++) {
    const error = await expectUnflushed(sql`select 1 from events`.execute(store.db));
    expect(error.cause).toMatchObject({ name: "LogDamaged", message: expect.stringContaining("SIGKILL") });
  }
  await closeStore(store);
  expect(readFileSync(fileOf(t.url))).toEqual(before);
  expect(await keysAfterPowerCut()).toEqual(["before"]);
});
