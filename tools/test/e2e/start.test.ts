import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
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

describe.each(["api", "worker"] as const)("the %s", (service) => {
  test("reports all invalid settings together", () => {
    const { status, output } = startOf(service, {
      POSTHASTE_LOG_LEVEL: "loud",
      POSTHASTE_DATABASE_POOL_SIZE: "0",
      POSTHASTE_SECRET_KEYS: "k1:hush",
      POSTHASTE_EGRESS_ALLOW: "everything",
      POSTHASTE_EGRESS_PORTS: "http",
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
      "POSTHASTE_LOG_LEVEL",
      "POSTHASTE_SECRET_KEYS",
    ]);
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

  test("reports in one line that its database cannot be opened", () => {
    expect(startOf(service, { DATABASE_URL: `sqlite:${root}` }).output).toBe(
      `posthaste ${service}: the database cannot be opened (SQLITE_CANTOPEN): check DATABASE_URL`,
    );
  });

  test("reports in one line that its database's folder cannot be created", () => {
    expect(startOf(service, { DATABASE_URL: "sqlite:/proc/posthaste/a.db" }).output).toBe(
      `posthaste ${service}: the database cannot be opened (ENOENT): check DATABASE_URL`,
    );
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
