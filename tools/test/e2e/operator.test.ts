import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { authenticate, closeStore, openStore } from "@posthaste/store";
import {
  createEmptyStore,
  createTestStore,
  runStatement,
  startOwnMysql,
  TEST_SECRET_KEYS,
  type TestStore,
} from "@posthaste/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { otherNode } from "../other-nodes.ts";

/* Runs the operator's commands as production does: built, and by Node without the front door. */

const main = fileURLToPath(new URL("../../../services/operator/dist/main.js", import.meta.url));
let database: TestStore;
beforeEach(async () => {
  database = await createEmptyStore("sqlite");
});
afterEach(() => database.dispose());

function operator(args: readonly string[], env: Record<string, string> = {}, node = process.execPath) {
  const { status, stdout, stderr } = spawnSync(
    node,
    ["--disable-warning=ExperimentalWarning", main, ...args],
    {
      env: { DATABASE_URL: database.url, POSTHASTE_SECRET_KEYS: TEST_SECRET_KEYS, ...env },
      encoding: "utf8",
      timeout: 60_000,
    },
  );
  return { status, out: stdout, err: stderr };
}

test("the operator's commands migrate a new database, create a working token and reseal the secrets", async () => {
  const create = ["token", "create", "--account", "acme", "--name", "first", "--scope", "admin"];
  expect(operator(create)).toEqual({
    status: 1,
    out: "",
    err: "posthaste: the database is not up to date: run npm run migrate first\n",
  });
  const migrations = expect.stringMatching(/^applied 0001-initial(, \d{4}-[\w-]+)*\n$/);
  expect(operator(["migrate"])).toEqual({ status: 0, out: migrations, err: "" });
  expect(operator(["migrate"])).toEqual({ status: 0, out: "the database is up to date\n", err: "" });

  const id = operator(["installation"]).out.trim();
  expect(id).toMatch(/^[a-z2-9]{8}$/);
  const renewed = operator(["installation", "new-id"]).out;
  expect(renewed).toMatch(new RegExp(`^[a-z2-9]{8} \\(before: ${id}\\)\n$`));
  expect(operator(["installation"]).out.trim()).toBe(renewed.split(" ")[0]);

  const { status, out, err } = operator(create);
  expect({ status, err }).toEqual({ status: 0, err: "" });
  const [line, secret = ""] = out.trimEnd().split("\n");
  expect(line).toMatch(/^token \d+ of account \d+ \(acme\); its secret is shown only now:$/);
  const store = await openStore({ url: database.url });
  try {
    expect((await authenticate(store, secret, Date.now()))?.scopes).toEqual(["admin"]);
  } finally {
    await closeStore(store);
  }

  expect(operator(["reseal"])).toEqual({
    status: 0,
    out: "every secret is sealed with the first key\n",
    err: "",
  });
});

test.each([["token", "list", "--account", "acme"], ["installation"], ["installation", "new-id"], ["reseal"]])(
  "%j makes no database where there is none, and changes none that is not up to date",
  (...args) => {
    const folder = join(tmpdir(), `posthaste-mistyped-${process.pid}`);
    expect(operator(args, { DATABASE_URL: `sqlite:${join(folder, "a.db")}` })).toEqual({
      status: 1,
      out: "",
      err: "posthaste: the database's file does not exist: check DATABASE_URL, or run npm run migrate\n",
    });
    expect(existsSync(folder)).toBe(false);
    expect(operator(args)).toEqual({
      status: 1,
      out: "",
      err: "posthaste: the database is not up to date: run npm run migrate first\n",
    });
  },
);

test.each([
  [["migrate", "now"], 'npm run migrate takes no arguments, but got "now"'],
  [["reseal", "now"], 'npm run reseal takes no arguments, but got "now"'],
  [["installation", "old"], 'unexpected argument "old": see npm run installation -- --help'],
  [["token", "destroy"], 'there is no command "destroy": see npm run token -- --help'],
  [["destroy"], 'there is no command "destroy": choose from migrate, token, installation, reseal'],
  [[], 'there is no command "": choose from migrate, token, installation, reseal'],
  [["migrate"], "DATABASE_URL is not set: mysql://USER:PASSWORD@HOST:PORT/NAME, or sqlite:PATH"],
])("%j without a database is refused in one line that says what to correct", (args, line) => {
  expect(operator(args, { DATABASE_URL: "" })).toEqual({ status: 1, out: "", err: `posthaste: ${line}\n` });
});

test.each([
  [
    "a wrong password",
    { username: "nobody", password: "hush" },
    /: the server turned the user away \(ER_ACCESS_DENIED_ERROR\)/,
  ],
  [
    "a database that does not exist",
    { pathname: "/posthaste_nowhere" },
    /\(ER_BAD_DB_ERROR\): the server has no/,
  ],
  [
    "a host that does not exist",
    { hostname: "nowhere.invalid" },
    /\(ENOTFOUND\): there is no such host: check/,
  ],
])("%s is reported in one line", async (_what, change, says) => {
  const mysql = await createTestStore("mysql");
  try {
    const DATABASE_URL = Object.assign(new URL(mysql.url), change).href;
    for (const command of ["migrate", "installation"]) {
      const { status, out, err } = operator([command], { DATABASE_URL });
      expect([status, out]).toEqual([1, ""]);
      expect(err).toMatch(/^posthaste: the database cannot be reached[ :][^\n]*\n$/);
      expect(err).toMatch(says);
    }
  } finally {
    await mysql.dispose();
  }
});

test("a privilege that the user lacks is reported in one line", async () => {
  const server = await startOwnMysql();
  const mysql = await createTestStore("mysql", server.url);
  try {
    await runStatement(mysql.store, "create user reader@'%' identified by 'secret'");
    await runStatement(mysql.store, "grant select on *.* to reader@'%'");
    const url = Object.assign(new URL(mysql.url), { username: "reader", password: "secret" });
    const { status, out, err } = operator(["installation", "new-id"], { DATABASE_URL: url.href });
    expect([status, out]).toEqual([1, ""]);
    // The line before it says what this server would lose in a power cut.
    expect(err.trim().split("\n").at(-1)).toBe(
      "posthaste: the database cannot be used (ER_TABLEACCESS_DENIED_ERROR): the user of DATABASE_URL lacks a privilege on its tables",
    );
    expect(err).not.toContain("    at ");
  } finally {
    await mysql.dispose();
    await server.release();
  }
});

test("a mistyped setting is named in a line, and keeps no command from its work", () => {
  expect(operator(["migrate"], { POSTHASTE_LAEN: "direct" })).toMatchObject({
    status: 0,
    err: "posthaste: warning: POSTHASTE_LAEN is unknown: did you mean POSTHASTE_LANE?\n",
  });
});

test("reseal without a key is refused in one line", () => {
  expect(operator(["reseal"], { POSTHASTE_SECRET_KEYS: "" })).toEqual({
    status: 1,
    out: "",
    err: "posthaste: POSTHASTE_SECRET_KEYS is not set: its first key seals the secrets\n",
  });
});

test.each(["migrate", "token", "installation", "reseal"])(
  "%s --help prints the usage without a database",
  (command) => {
    const { status, out, err } = operator([command, "--help"], { DATABASE_URL: "" });
    expect({ status, err }).toEqual({ status: 0, err: "" });
    expect(out).toMatch(new RegExp(`^npm run ${command}\\b`));
  },
);

test("a Node that is too old is reported in one line", async () => {
  const { status, err } = operator(["migrate"], {}, await otherNode("old"));
  expect(status).toBe(1);
  expect(err).toMatch(/^posthaste: Node 20\.\S+ is not supported: use Node 22\.19 or newer \(.*\)\n$/);
});

test("a command says what the database's server would lose in a power cut", async () => {
  const server = await startOwnMysql({ args: ["--innodb-flush-log-at-trx-commit=2"] });
  const mysql = await createTestStore("mysql", server.url);
  try {
    expect(operator(["migrate"], { DATABASE_URL: mysql.url })).toMatchObject({
      status: 0,
      out: "the database is up to date\n",
      err: expect.stringMatching(/^posthaste: warning: in a power cut .*trx_commit is 2: set 1\)\n$/),
    });
  } finally {
    await mysql.dispose();
    await server.release();
  }
});
