import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { createAccount, createSubscription } from "@posthaste/store";
import {
  createEmptyStore,
  createTestStore,
  freePort,
  markLater,
  TEST_SECRET_KEYS,
  type TestStore,
} from "@posthaste/testkit";
import { afterEach, describe, expect, test, vi } from "vitest";
import { otherNode } from "../other-nodes.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
let stores: TestStore[] = [];
afterEach(async () => {
  for (const store of stores) await store.dispose();
  stores = [];
});
const urlOf = (store: TestStore) => {
  stores.push(store);
  return store.url;
};

/** Starts a service that is expected to fail, and returns its exit code and the sentence of its last line. */
function startOf(service: "api" | "worker", env: Record<string, string>, node = process.execPath) {
  const { status, stdout, stderr } = spawnSync(node, [`${root}services/${service}/dist/main.js`], {
    env: { POSTHASTE_SECRET_KEYS: TEST_SECRET_KEYS, ...env },
    encoding: "utf8",
    timeout: 30_000,
  });
  // Only a Node that is too old to load the log says so on standard error.
  if (stderr !== "") return { status, output: stderr.trim() };
  const { event, service: name, error } = JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "");
  expect(event).toBe("process.not_started");
  expect(error).not.toHaveProperty("stack");
  return { status, output: `posthaste ${name}: ${error.message}` };
}

/** What is wrong with a URL of MySQL, and what the line says of it. */
const REFUSALS: readonly (readonly [what: string, change: (url: URL) => void, says: string])[] = [
  [
    "that its password is wrong",
    (url) => Object.assign(url, { username: "nobody", password: "hush" }),
    "the database cannot be reached: the server turned the user away (ER_ACCESS_DENIED_ERROR): check user and password in DATABASE_URL, and ssl-mode if it demands TLS or a certificate",
  ],
  [
    "that its database does not exist",
    (url) => Object.assign(url, { pathname: "/posthaste_nowhere" }),
    "the database cannot be reached (ER_BAD_DB_ERROR): the server has no such database: create it, or check its name in DATABASE_URL",
  ],
  [
    "that its database's host does not exist",
    (url) => Object.assign(url, { hostname: "nowhere.invalid" }),
    "the database cannot be reached (ENOTFOUND): there is no such host: check the host in DATABASE_URL",
  ],
];

async function changedMysqlUrl(change: (url: URL) => void): Promise<string> {
  const url = new URL(urlOf(await createTestStore("mysql")));
  change(url);
  return url.href;
}

describe.each(["api", "worker"] as const)("the %s", (service) => {
  test("reports all invalid settings together", () => {
    const { status, output } = startOf(service, {
      POSTHASTE_LOG_LEVEL: "loud",
      POSTHASTE_DATABASE_POOL_SIZE: "0",
      POSTHASTE_SECRET_KEYS: "k1:hush",
      POSTHASTE_EGRESS_ALLOW: "everything",
      POSTHASTE_EGRESS_PORTS: "http",
      POSTHASTE_LAEN: "direct",
      TEMPORAL_ADRESS: "temporal:7233",
    });
    expect(status).toBe(1);
    const names = output
      .split("\n")
      .slice(1)
      .map((line) => line.trim().split(/[ :]/)[0]);
    expect(names.sort()).toEqual([
      "DATABASE_URL",
      "POSTHASTE_DATABASE_POOL_SIZE",
      "POSTHASTE_EGRESS_ALLOW",
      "POSTHASTE_EGRESS_PORTS",
      "POSTHASTE_LAEN",
      "POSTHASTE_LOG_LEVEL",
      "POSTHASTE_SECRET_KEYS",
      "TEMPORAL_ADRESS",
    ]);
    expect(output).toContain("POSTHASTE_LAEN is unknown: did you mean POSTHASTE_LANE?");
    expect(output).not.toContain("hush");
  });

  test("reports in one line that its Node is too old", async () => {
    const { status, output } = startOf(service, {}, await otherNode("old"));
    expect(status).toBe(1);
    expect(output).toMatch(/^posthaste: Node 20\.\S+ is not supported: use Node 22\.19 or newer \(.*\)$/);
  });

  test("reports in one line that its database is unreachable, without the password", async () => {
    const { status, output } = startOf(service, {
      DATABASE_URL: `mysql://me:hush@127.0.0.1:${await freePort()}/x`,
    });
    expect({ status, output }).toEqual({
      status: 1,
      output: `posthaste ${service}: the database cannot be reached (ECONNREFUSED): check DATABASE_URL`,
    });
  });

  test("knows the other service's settings, since both may read one file", () => {
    const { output } = startOf(service, {
      DATABASE_URL: `sqlite:${root}`,
      POSTHASTE_LANE: "direct",
      POSTHASTE_INBOX: "on",
    });
    expect(output).toContain("the database cannot be opened");
  });

  test.each(REFUSALS)("reports in one line %s", async (_what, change, says) => {
    const { status, output } = startOf(service, { DATABASE_URL: await changedMysqlUrl(change) });
    expect({ status, output }).toEqual({ status: 1, output: `posthaste ${service}: ${says}` });
  });

  test("reports in one line that a profile for Temporal does not exist", async () => {
    const { status, output } = startOf(service, {
      DATABASE_URL: urlOf(await createTestStore("sqlite")),
      TEMPORAL_PROFILE: "nowhere",
    });
    expect(status).toBe(1);
    expect(output).toMatch(
      /^posthaste \w+: Temporal's settings: .*lacks the profile "nowhere" that TEMPORAL_PROFILE names$/,
    );
  });

  test("reports in one line that its database cannot be opened", () => {
    expect(startOf(service, { DATABASE_URL: `sqlite:${root}` }).output).toBe(
      `posthaste ${service}: the database cannot be opened (SQLITE_CANTOPEN): its file cannot be opened: ` +
        "check the path in DATABASE_URL, and the user's rights",
    );
  });

  test("reports in one line that its database's file is another kind of file", () => {
    const path = join(tmpdir(), `posthaste-no-database-${service}-${process.pid}`);
    writeFileSync(path, "a text that is longer than the hundred bytes of the head of a database. ".repeat(9));
    expect(startOf(service, { DATABASE_URL: `sqlite:${path}` }).output).toBe(
      `posthaste ${service}: the database cannot be opened (SQLITE_NOTADB): its file is not a database of ` +
        "SQLite: check the path in DATABASE_URL",
    );
    rmSync(path);
  });

  test("reports in one line that its database's file does not exist, and makes none", () => {
    const folder = join(tmpdir(), `posthaste-mistyped-${process.pid}`);
    expect(startOf(service, { DATABASE_URL: `sqlite:${join(folder, "a.db")}` }).output).toBe(
      `posthaste ${service}: the database's file does not exist: check DATABASE_URL, or run npm run migrate`,
    );
    expect(existsSync(folder)).toBe(false);
  });

  test("reports in one line that a setting for Temporal is unusable, without the setting", async () => {
    const { status, output } = startOf(service, {
      DATABASE_URL: urlOf(await createTestStore("sqlite")),
      TEMPORAL_API_KEY: "hush\n",
    });
    expect(status).toBe(1);
    expect(output).toMatch(/^posthaste \w+: Temporal's settings: the API key \(TEMPORAL_API_KEY\) .*$/);
    expect(output).not.toContain("hush");
  });

  test("reports in one line that its database is not up to date", async () => {
    const { output } = startOf(service, { DATABASE_URL: urlOf(await createEmptyStore("sqlite")) });
    expect(output.replace(/(, \d{4}-[\w-]+)+/, "")).toBe(
      `posthaste ${service}: the database lacks 0001-initial: run npm run migrate`,
    );
  });

  test("reports in one line that its database belongs to another release", async () => {
    const test = await createTestStore("sqlite");
    await markLater(test.store);
    expect(startOf(service, { DATABASE_URL: urlOf(test) }).output).toBe(
      `posthaste ${service}: the database has migrations of another release (9999-later): use that release, or a newer one`,
    );
  });

  test("reports in one line that it lacks a key with which the database was used", async () => {
    const test = await createTestStore("sqlite");
    const { id: accountId } = await createAccount(test.store, { name: "test", now: 0 });
    await createSubscription(test.store, {
      accountId,
      targetUrl: "https://yoursite.example/",
      eventTypes: ["*"],
      credential: null,
      acceptance: "OK_ONLY",
      timeoutMs: null,
      now: 0,
    });
    const { output } = startOf(service, {
      DATABASE_URL: urlOf(test),
      POSTHASTE_SECRET_KEYS: `other:${Buffer.alloc(32).toString("base64")}`,
    });
    expect(output).toBe(
      `posthaste ${service}: a secret was sealed with the key test, which POSTHASTE_SECRET_KEYS does not hold: set the keys that this database was used with`,
    );
  });

  test("stops in order if every process of its command is signalled, as systemd does", async () => {
    const command = spawn(process.execPath, [`${root}tools/run.mjs`, `start:${service}`], {
      env: {
        PATH: process.env["PATH"],
        DATABASE_URL: urlOf(await createTestStore("sqlite")),
        TEMPORAL_ADDRESS: "127.0.0.1:1",
        POSTHASTE_SECRET_KEYS: TEST_SECRET_KEYS,
        POSTHASTE_PORT: String(await freePort()),
        POSTHASTE_WORKER_PORT: String(await freePort()),
        POSTHASTE_METRICS_PORT: String(await freePort()),
      },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    command.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
    try {
      await vi.waitFor(() => expect(output).toContain(`"${service}.started"`), { timeout: 60_000 });
      const children = readFileSync(`/proc/${command.pid}/task/${command.pid}/children`, "utf8");
      for (const pid of [command.pid, ...children.trim().split(" ")]) process.kill(Number(pid), "SIGTERM");
      expect(await once(command, "close")).toEqual([0, null]);
      expect(output).toContain('"process.stopped"');
    } finally {
      command.kill("SIGKILL");
    }
  }, 90_000);

  test("reports in one line that its port is in use, and names the setting for another port", async () => {
    const port = await freePort();
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(port, "127.0.0.1", resolve));
    try {
      const setting = service === "api" ? "POSTHASTE_PORT" : "POSTHASTE_WORKER_PORT";
      const { output } = startOf(service, {
        DATABASE_URL: urlOf(await createTestStore("sqlite")),
        TEMPORAL_ADDRESS: "127.0.0.1:1",
        [setting]: String(port),
        POSTHASTE_LOG_LEVEL: "silent",
      });
      expect(output).toBe(`posthaste ${service}: port ${port} is in use: choose another with ${setting}`);
    } finally {
      await new Promise((resolve) => taken.close(resolve));
    }
  });
});

test("the worker reports in one line that the native part of Temporal's SDK is another machine's", async () => {
  const dir = await mkdtemp(join(tmpdir(), "posthaste-native-"));
  try {
    const native = join(dir, "node_modules/@temporalio/core-bridge/releases/index.node");
    await mkdir(dirname(native), { recursive: true });
    await writeFile(native, "built for another machine");
    // Loads that file in the place of the real one.
    const hook = `import { registerHooks } from "node:module";
      registerHooks({ resolve: (specifier, context, next) =>
        next(specifier.endsWith("index.node") ? ${JSON.stringify(native)} : specifier, context) });`;
    const { status, output } = startOf("worker", {
      DATABASE_URL: "sqlite:/nowhere",
      NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(hook)}`,
    });
    expect({ status, output }).toEqual({
      status: 1,
      output:
        "posthaste worker: the native part of @temporalio/core-bridge was installed for another machine or another Node: run npm ci here",
    });
  } finally {
    await rm(dir, { recursive: true });
  }
});
