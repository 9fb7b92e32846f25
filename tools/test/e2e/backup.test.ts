import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  closeStore,
  createAccount,
  createSubscription,
  ingestEvents,
  migrate,
  openStore,
  parseSealingKeys,
  type Store,
} from "@posthaste/store";
import {
  createTestStore,
  linkMysqlClients,
  type OwnMysqlServer,
  runStatement,
  startOwnMysql,
  TEST_SECRET_KEYS,
  type TestStore,
} from "@posthaste/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";

/* Runs the commands of "Back up and restore" in docs/operations.md as they are printed there. */

const root = new URL("../../../", import.meta.url);
const operator = fileURLToPath(new URL("services/operator/dist/main.js", root));
const section =
  /^## Back up and restore\n[\s\S]*?(?=^## )/m.exec(
    readFileSync(new URL("docs/operations.md", root), "utf8"),
  )?.[0] ?? "";
const secretKeys = parseSealingKeys(TEST_SECRET_KEYS);

/** Returns the section's blocks of commands below one of its headings, in their order. */
const commandsOf = (heading: string) => {
  const part = section.split(/^### /m).find((text) => text.startsWith(`${heading}\n`)) ?? "";
  return [...part.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, commands = ""]) => commands);
};

/** SQLite's own shell is not on every machine. This stands for it, with Node's SQLite. */
const SQLITE3 = `#!${process.execPath} --disable-warning=ExperimentalWarning
const { DatabaseSync } = require("node:sqlite");
const [file, statement] = process.argv.slice(2);
for (const row of new DatabaseSync(file).prepare(statement).all()) console.log(Object.values(row).join("|"));
`;

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "posthaste-backup-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** Runs a block of commands in the folder. It ends at the first that fails. */
const run = (commands: string | undefined) => {
  if (commands === undefined) throw new Error("the section has no such block of commands");
  const { status, stdout, stderr } = spawnSync("sh", ["-e", "-c", commands], {
    cwd: dir,
    env: { PATH: [dir, process.env["PATH"]].join(delimiter) },
    encoding: "utf8",
    timeout: 60_000,
  });
  return { status, out: stdout, err: stderr };
};

const migrateCommand = (url: string) =>
  spawnSync(process.execPath, ["--disable-warning=ExperimentalWarning", operator, "migrate"], {
    env: { DATABASE_URL: url },
    encoding: "utf8",
    timeout: 60_000,
  }).stdout;

/** Stores what a dump may spoil: sealed secrets, which are bytes, and text outside of ASCII. */
async function fill(store: Store): Promise<() => Promise<void>> {
  const now = Date.now();
  const { id: accountId } = await createAccount(store, { name: "Zürich 🚀", now });
  await createSubscription(store, {
    accountId,
    targetUrl: "https://receiver.example/",
    eventTypes: ["*"],
    credential: "a 'quoted' \\ secret",
    acceptance: "OK_ONLY",
    timeoutMs: null,
    now,
  });
  const ingest = async () => {
    const data = Buffer.from(JSON.stringify({ name: "Ł \u0000 ’ \\ 🚀" }));
    const events = [{ eventType: "invoice_sent", data, idempotencyKey: null }];
    await ingestEvents(store, { accountId, now, deliveriesMax: 10, events });
  };
  await ingest();
  return ingest;
}

/** Returns every row of every table. */
async function contentOf(store: Store): Promise<Record<string, readonly unknown[]>> {
  const tables = await store.db.introspection.getTables();
  const content: Record<string, readonly unknown[]> = {};
  for (const { name } of tables) {
    const rows = await runStatement(store, `select * from ${name}`);
    content[name] = rows.map((row) => JSON.stringify(row)).toSorted();
  }
  return content;
}

const rowsOf = async (url: string) => {
  const store = await openStore({ url, secretKeys });
  try {
    return await contentOf(store);
  } finally {
    await closeStore(store);
  }
};

test("SQLite's backup is made while the services run, is checked, and has every row", async () => {
  const database: TestStore = await createTestStore("sqlite", undefined, dir);
  try {
    const ingest = await fill(database.store);
    const before = await contentOf(database.store);
    writeFileSync(join(dir, "sqlite3"), SQLITE3);
    chmodSync(join(dir, "sqlite3"), 0o755);
    const file = database.url.slice("sqlite:".length);
    const [commands = ""] = commandsOf("SQLite");
    expect(run(commands.replaceAll(" posthaste.db ", ` ${file} `))).toEqual({
      status: 0,
      out: "ok\n",
      err: "",
    });
    await ingest();
    copyFileSync(join(dir, "backup.db"), join(dir, "restored.db"));
    const restored = `sqlite:${join(dir, "restored.db")}`;
    expect(migrateCommand(restored)).toBe("the database is up to date\n");
    expect(await rowsOf(restored)).toEqual(before);
  } finally {
    await database.dispose();
  }
});

test("MySQL's dump is restored as a copy with every row, and leaves its original alone", async () => {
  const server: OwnMysqlServer = await startOwnMysql();
  const admin = await createTestStore("mysql", server.url);
  try {
    await linkMysqlClients(dir);
    await runStatement(admin.store, "CREATE DATABASE posthaste");
    const url = `${server.url}/posthaste`;
    const copyUrl = `${server.url}/copy_of_posthaste`;
    const original = await openStore({ url, secretKeys });
    await migrate(original);
    const ingest = await fill(original);
    const before = await contentOf(original);

    const { hostname, port, username } = new URL(server.url);
    const settings: Record<string, string> = { host: hostname, port, user: username, password: '""' };
    const file = /^```ini\n([\s\S]*?)^```$/m.exec(section)?.[1] ?? "";
    const named = file.replaceAll(/^(\w+) = .*$/gm, (_line, name: string) => `${name} = ${settings[name]}`);
    writeFileSync(join(dir, "backup.cnf"), named, { mode: 0o600 });
    const [dump, restore, count] = commandsOf("MySQL");
    const dumped = run(dump);
    expect(dumped).toMatchObject({ status: 0, out: expect.stringMatching(/^-- Dump completed on .*\n$/) });
    expect(run("grep -c '^USE ' posthaste.sql").out).toBe("0\n");

    await ingest();
    const later = await contentOf(original);
    expect(later).not.toEqual(before);
    expect(run(restore)).toMatchObject({ status: 0 });
    expect(await contentOf(original)).toEqual(later);
    expect(await rowsOf(copyUrl)).toEqual(before);
    expect(migrateCommand(copyUrl)).toBe("the database is up to date\n");
    expect(run(count)).toMatchObject({ status: 0, out: "events\tdeliveries\tattempts\n1\t1\t0\n" });
    // A database in use is not restored into by mistake.
    expect(run(restore)).toMatchObject({ status: 1, err: expect.stringContaining("database exists") });
    await closeStore(original);
  } finally {
    await admin.dispose();
    await server.release();
  }
});
