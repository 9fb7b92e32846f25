import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Stack, startStack } from "@posthaste/stack";
import { startReceiver } from "@posthaste/testkit";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

const PATIENCE = { timeout: 60_000, interval: 200 };
const docs = (name: string) =>
  readFileSync(fileURLToPath(new URL(`../../../docs/${name}`, import.meta.url)), "utf8");

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => stack.dispose());

const scrape = async (url: string) => await (await fetch(`${url}/metrics`)).text();
const worker = () => scrape(stack.workerUrls[0] ?? "");
const api = async () => {
  const line = stack.apis[0]
    ?.log()
    .split("\n")
    .find((text) => text.includes('"metrics.started"'));
  return await scrape(JSON.parse(line ?? "{}").url);
};
/** Returns every series of Posthaste, without its value. */
const series = (text: string) =>
  new Set(
    text
      .split("\n")
      .filter((line) => line.startsWith("posthaste_"))
      .map((line) => line.slice(0, line.lastIndexOf(" "))),
  );
const names = (text: string) => new Set([...text.matchAll(/\bposthaste_[a-z_]+/g)].map(([name]) => name));
const valueIn = (text: string, name: string) =>
  Number(
    text
      .split("\n")
      .find((line) => line.startsWith(`${name} `))
      ?.split(" ")
      .at(-1),
  );

const traffic = async (from: number, count: number, receiverUrl: string) => {
  for (let i = from; i < from + count; i++) {
    await stack.client.subscriptions.createSubscription({
      // Loopback has many addresses, so each subscription gets a different host.
      targetUrl: `http://127.0.0.${(i % 200) + 1}:${new URL(receiverUrl).port}/${i}`,
      eventTypes: ["contact_updated"],
    });
    await fetch(`${stack.apiUrl}/no/such/path/${i}`);
    await fetch(`${stack.apiUrl}/posthaste.v1.NoSuchService/Call${i}`, { method: "POST" });
    await stack.client.events
      .ingestEvent({ eventType: `no_such_type_${i}`, snapshot: { case: "dataJson", value: "{}" } })
      .catch(() => {});
    await fetch(`${stack.apiUrl}/api/Webhook/${i}`);
  }
  await stack.client.events.ingestEvent({
    eventType: "contact_updated",
    snapshot: { case: "dataJson", value: "{}" },
  });
};

test("a worker that starts as it should warns of nothing", async () => {
  const lines = () => (stack.workers[0]?.log() ?? "").split("\n");
  const areRunning = () => lines().filter((line) => line.includes('"state":"RUNNING"')).length;
  // Temporal's SDK writes its lines late, and both of its workers at once.
  await vi.waitFor(() => expect(areRunning()).toBe(2), PATIENCE);
  expect(lines().filter((line) => line.includes('"level":"warn"'))).toEqual([]);
});

describe("metrics", () => {
  test("have no label that grows with accounts, subscriptions, hosts, paths or event types", async () => {
    const receiver = await startReceiver();
    try {
      await traffic(0, 3, receiver.url);
      // A delivery is counted when its result is written, after the request.
      await vi.waitFor(async () => {
        expect(await worker()).toMatch(/^posthaste_deliveries_ended_total\{state="succeeded"\} [1-9]/m);
      }, PATIENCE);
      const before = [series(await worker()), series(await api())];
      await traffic(3, 200, receiver.url);
      await vi.waitFor(async () => {
        const attempts = (await worker()).match(/^posthaste_attempts_total\{.*\} (\d+)$/gm) ?? [];
        const total = attempts.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
        expect(total).toBeGreaterThanOrEqual(203);
      }, PATIENCE);
      const after = [series(await worker()), series(await api())];
      // Temporal's SDK adds series at run time. None of them may name things whose number grows without
      // bound.
      const text = `${await worker()}${await api()}`;
      expect(text).not.toMatch(
        /dlv_|evt_|delivery\/|recovery\/|127\.0\.0\.\d+[^"]*"|no_such|run_id|workflow_id/,
      );
      // The receiver listens on one address only, so the others add one outcome, "refused", and its buckets.
      const isNew = (all: Set<string>, old: Set<string>) => [...all].filter((one) => !old.has(one));
      expect(isNew(after[1] as Set<string>, before[1] as Set<string>)).toEqual([]);
      const grown = isNew(after[0] as Set<string>, before[0] as Set<string>);
      expect(grown.filter((one) => !/outcome="(accepted|refused)"/.test(one))).toEqual([]);
      expect(grown.length).toBeLessThan(40);
    } finally {
      await receiver.stop();
    }
  }, 120_000);

  test("cover the backlog, the dependencies, the process and Temporal's SDK", async () => {
    // The backlog is recounted every few seconds.
    const text = await vi.waitFor(async () => {
      const now = await worker();
      expect(valueIn(now, "posthaste_backlog_age_seconds")).toBe(0);
      return now;
    }, PATIENCE);
    expect(/^posthaste_backlog_deliveries\{state="pending"\} 0$/m.test(text)).toBe(true);
    expect(text).toMatch(/^posthaste_dependency_up\{dependency="temporal"\} 1$/m);
    expect(text).toMatch(/^process_resident_memory_bytes \d+/m);
    expect(text).toMatch(/^temporal_[a-z_]+/m);
  });

  test("have what the alerts and the dashboard read of Temporal's SDK, with its labels and in milliseconds", async () => {
    const receiver = await startReceiver();
    try {
      receiver.answer({ kind: "status", status: 500 });
      await traffic(0, 1, receiver.url);
      const read = [docs("monitoring/alerts.yaml"), docs("monitoring/dashboard.json")].map(
        (text) => /\b(temporal_\w+)\{task_queue=~\\?"([^"\\]+)/.exec(text)?.slice(1) ?? [],
      );
      // A retry's activity runs once as soon as the first attempt has failed.
      await vi.waitFor(async () => {
        const text = await worker();
        for (const [name, queue] of read) {
          expect(text).toMatch(new RegExp(`^${name}\\{.*task_queue="${queue}".*le="5000".*\\} [1-9]`, "m"));
        }
      }, PATIENCE);
    } finally {
      await receiver.stop();
    }
  }, 120_000);

  test("are all in the docs; the docs, alerts and dashboard name no others", async () => {
    const exposed = new Set(
      [...names(await worker()), ...names(await api())].map((name) =>
        name.replace(/(_seconds)_(bucket|sum|count)$/, "$1"),
      ),
    );
    expect([...names(docs("operations.md"))].sort()).toEqual([...exposed].sort());
    const used = [...names(docs("monitoring/alerts.yaml")), ...names(docs("monitoring/dashboard.json"))];
    expect(used.map((name) => name.replace(/_bucket$/, "")).filter((name) => !exposed.has(name))).toEqual([]);
  });
});
