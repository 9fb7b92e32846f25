import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAlive, type KnownProcess } from "@posthaste/stack";
import { freePort, poll } from "@posthaste/testkit";
import { setupDelivery } from "@posthaste/testkit/delivery";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { runUp, type Up, type UpPorts, upPorts } from "./run-up.ts";

/*
 * Runs the real `npm run up` through its front door, in a temporary data folder and on free ports. The tests
 * depend on their order: they share the folder and follow it from its first run on.
 */

const DOWN_WITHIN_MS = 60_000;
let dataDir: string;
let ports: UpPorts;
const started: ChildProcess[] = [];

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "posthaste-up-"));
  ports = await upPorts();
});
afterEach(async () => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
});
afterAll(() => rm(dataDir, { recursive: true, force: true }));

function up(...args: string[]): Up {
  return upWith({}, ...args);
}

function upWith(env: Readonly<Record<string, string>>, ...args: string[]): Up {
  const running = runUp(args, env);
  started.push(running.child);
  return running;
}

const here = () => ["--data", dataDir, ...ports.flags];

async function processes(): Promise<{ up: KnownProcess; started: (KnownProcess & { name: string })[] }> {
  return JSON.parse(await readFile(join(dataDir, "run.json"), "utf8"));
}

async function allGone(known: readonly KnownProcess[]): Promise<boolean> {
  return await poll(() => !known.some(isAlive), { withinMs: DOWN_WITHIN_MS });
}

async function subscriptions(token: string): Promise<unknown[]> {
  const response = await fetch(`http://127.0.0.1:${ports.api}/api/Webhook`, {
    headers: { authorization: `Bearer ${token}` },
  });
  expect(response.status).toBe(200);
  return ((await response.json()) as { Webhooks: unknown[] }).Webhooks;
}

let firstToken = "";

test("--demo delivers a sample, a second up on the same folder is refused, and Ctrl-C ends every process", {
  timeout: 300_000,
}, async () => {
  const running = up("--demo", ...here());
  await running.says("webhook-attempt: 1");
  for (const text of [
    `Console http://127.0.0.1:${ports.api}/`,
    `API http://127.0.0.1:${ports.api}`,
    `REST gateway http://127.0.0.1:${ports.api}/api/Webhook`,
    `Temporal UI http://127.0.0.1:${ports.temporalUi}`,
    "Deliveries reach the public internet and 127.0.0.0/8,::1/128",
    "webhook-signature: v1,",
    "curl -s",
    "POST /hook",
    "webhook-event: invoice_sent",
  ]) {
    expect(running.output().replaceAll(/ +/g, " ")).toContain(text);
  }
  firstToken = running.token();
  expect(firstToken).toMatch(/^pht_/);
  expect((await fetch(`http://127.0.0.1:${ports.temporalUi}/`)).status).toBe(200);
  expect(await subscriptions(firstToken)).toHaveLength(1);
  const metrics = [...running.output().matchAll(/http:\S+\/metrics(?= \((?:API|worker)\))/g)];
  const series = await Promise.all(metrics.map(async ([url]) => await (await fetch(url)).text()));
  expect(series).toEqual([
    expect.stringContaining("posthaste_requests_under_way"),
    expect.stringContaining("posthaste_attempts_total"),
  ]);
  const page = await fetch(`http://127.0.0.1:${ports.api}/`);
  expect([page.status, page.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);

  const second = up(...here());
  expect(await second.ended).toBe(1);
  expect(second.output()).toMatch(/^posthaste: another `up` .*--data\n$/);

  const { up: itself, started } = await processes();
  expect(started.map(({ name }) => name).sort()).toEqual(["API", "Temporal", "worker"]);
  running.child.kill("SIGINT");
  expect(await running.ended).toBe(0);
  expect([itself, ...started].filter(isAlive)).toEqual([]);
});

test("the next up uses the same data, and ends the processes that a killed up left behind", {
  timeout: 300_000,
}, async () => {
  const killed = up(...here());
  await killed.says("Ctrl-C stops everything");
  const left = await processes();
  process.kill(left.up.pid, "SIGKILL");
  await killed.ended;
  const services = left.started.filter(({ name }) => name !== "Temporal");
  expect(await allGone(services)).toBe(true);
  const temporal = left.started.filter(({ name }) => name === "Temporal");
  expect(temporal.filter(isAlive)).toHaveLength(1);

  const running = up("--demo", ...here());
  await running.says("webhook-attempt: 1");
  expect(await allGone(temporal)).toBe(true);
  expect(running.output()).toContain("that an earlier run left behind");
  expect(running.output()).toContain("it is already subscribed");
  expect(running.token()).toBe(firstToken);
  expect(await subscriptions(firstToken)).toHaveLength(1);

  const { started } = await processes();
  const worker = started.find(({ name }) => name === "worker");
  if (worker === undefined) throw new Error("there is no worker");
  process.kill(worker.pid, "SIGKILL");
  expect(await running.ended).toBe(1);
  expect(running.output()).toMatch(
    /\nposthaste: the worker was ended by SIGKILL; the end of its log \(.*worker\.log\) is above\n$/,
  );
  expect(await allGone(started)).toBe(true);
});

test.each([
  ["--port", "API"],
  ["--temporal-port", "Temporal server"],
  ["--temporal-ui-port", "Temporal UI"],
])("a port in use is reported in one line that names %s", async (flag, role) => {
  const taken = await freePort();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(taken, "127.0.0.1", resolve));
  try {
    const refused = up(...here(), flag, String(taken));
    expect(await refused.ended).toBe(1);
    expect(refused.output()).toBe(
      `posthaste: port ${taken} is in use: choose another port for the ${role} with ${flag}\n`,
    );
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});

async function refusesTemporalAt(address: string, line: RegExp, env: Readonly<Record<string, string>> = {}) {
  const refused = upWith({ ...env, TEMPORAL_ADDRESS: address }, ...here());
  expect(await refused.ended).toBe(1);
  expect(refused.output()).toMatch(line);
  expect(refused.output().split("\n")).toHaveLength(2);
}

test("a TEMPORAL_ADDRESS at which nothing listens is reported in one line", async () => {
  await refusesTemporalAt(
    "127.0.0.1:1",
    /^posthaste: no Temporal server answers at TEMPORAL_ADDRESS 127\.0\.0\.1:1 \(ECONNREFUSED\): start that server, or unset the variable$/m,
  );
});

test("a TEMPORAL_ADDRESS that accepts connections but never answers is reported in one line", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    await refusesTemporalAt(address, /^posthaste: no Temporal server answers at .*: start that server/m);
  } finally {
    server.close();
  }
});

test("a TEMPORAL_NAMESPACE that the server does not have is reported in one line", async () => {
  const t = await setupDelivery("dev-server");
  try {
    await refusesTemporalAt(
      t.env.address,
      /^posthaste: Temporal has no namespace "nowhere": create it, or set TEMPORAL_NAMESPACE to one that exists$/m,
      { TEMPORAL_NAMESPACE: "nowhere" },
    );
  } finally {
    await t.dispose();
  }
});

const MALFORMED = [
  ":7233",
  "127.0.0.1:0",
  "127.0.0.1:65536",
  "::1:7233",
  "me:pass@127.0.0.1:7233",
  "me@host:1",
];

test.each(["http://127.0.0.1:7233", ...MALFORMED])(
  "the malformed TEMPORAL_ADDRESS %s is reported in one line that does not quote it",
  async (address) => {
    await refusesTemporalAt(
      address,
      /^posthaste: Temporal's settings: the address \(TEMPORAL_ADDRESS\) is malformed: give HOST:PORT$/m,
    );
  },
);

test("an unusable setting for Temporal is reported in one line that does not quote it", async () => {
  await refusesTemporalAt(
    "127.0.0.1:1",
    /^posthaste: Temporal's settings: the API key [^\n]*, such as a line break$/m,
    { TEMPORAL_API_KEY: "secret-key\n" },
  );
});

test("an unknown flag is reported in one line", async () => {
  const refused = up("--colour");
  expect(await refused.ended).toBe(1);
  expect(refused.output()).toBe("posthaste: Unknown option '--colour': see npm run up -- --help\n");
});

test("a mistyped setting is reported at once, with the nearest name", async () => {
  const refused = upWith({ POSTHASTE_EGRES_ALLOW: "" }, ...here());
  expect(await refused.ended).toBe(1);
  expect(refused.output()).toBe(
    "posthaste: the configuration has a problem:\n  POSTHASTE_EGRES_ALLOW is unknown: did you mean POSTHASTE_EGRESS_ALLOW?\n",
  );
});
