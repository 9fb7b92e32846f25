import { type Log, silentLog } from "@posthaste/runtime";
import {
  createTestStore,
  type OwnMysqlServer,
  startOwnMysql,
  TEST_SECRET_KEYS,
  type TestStore,
} from "@posthaste/testkit";
import { sql } from "kysely";
import { afterEach, expect, test } from "vitest";
import { closeStore, durabilityWarning, openMigratedStore, parseSealingKeys } from "../src/index.ts";

const secretKeys = parseSealingKeys(TEST_SECRET_KEYS);
let server: OwnMysqlServer | undefined;
let database: TestStore | undefined;
afterEach(async () => {
  await database?.dispose();
  await server?.release();
  [database, server] = [undefined, undefined];
});

/** Returns the lines of a start that are logged as warnings. */
async function warningsOn(url: string): Promise<unknown[]> {
  const lines: unknown[] = [];
  const log: Log = { ...silentLog, warn: (event, fields) => void lines.push({ event, ...fields }) };
  await closeStore(await openMigratedStore({ url, secretKeys }, log));
  return lines;
}

async function startServer(args: readonly string[]): Promise<TestStore> {
  server = await startOwnMysql({ args });
  database = await createTestStore("mysql", server.url);
  return database;
}

test("a server that loses commits in a power cut is reported at start, setting by setting", async () => {
  const { url } = await startServer([
    "--innodb-flush-log-at-trx-commit=2",
    "--log-bin=binlog",
    "--server-id=1",
    "--sync-binlog=0",
    "--skip-innodb-doublewrite",
  ]);
  const warning = [
    "in a power cut the database's server would lose the commits of about the last second",
    "(innodb_flush_log_at_trx_commit is 2: set 1); and commits that the binary log does not have yet: recovery",
    "may roll them back, and replicas never get them (sync_binlog is 0: set 1); and pages that were being",
    "written, and with them any of the data (innodb_doublewrite is OFF: set ON)",
  ].join(" ");
  expect(await warningsOn(url)).toEqual([{ event: "database.not_durable", warning }]);
});

test("a server that loses nothing is not reported, nor one whose binary log is off", async () => {
  const { url, store } = await startServer(["--innodb-flush-log-at-trx-commit=1", "--sync-binlog=0"]);
  expect(await warningsOn(url)).toEqual([]);
  await sql`set global innodb_flush_log_at_trx_commit = 3`.execute(store.db);
  expect(await warningsOn(url)).toEqual([]);
});

test("a server whose settings cannot be read is not reported, and nothing fails", async () => {
  const { store } = await startServer(["--innodb-flush-log-at-trx-commit=0"]);
  expect(await durabilityWarning(store)).toContain("innodb_flush_log_at_trx_commit is 0");
  await server?.kill();
  expect(await durabilityWarning(store)).toBeUndefined();
  await server?.restart();
});

test("SQLite is not reported", async () => {
  database = await createTestStore("sqlite");
  expect(await warningsOn(database.url)).toEqual([]);
});
