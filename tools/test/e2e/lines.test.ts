import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { ROOT, type Stack, startStack } from "@posthaste/stack";
import { type Receiver, startReceiver } from "@posthaste/testkit";
import { afterAll, beforeAll, expect, test, vi } from "vitest";

const PATIENCE = { timeout: 60_000, interval: 100 };
/** What libraries do in a service: they print, in colour and over several lines, and make Node warn. */
const NOISE = `setTimeout(() => {
  console.log("\\u001b[31mred\\u001b[0m", { several: "lines ".repeat(20), of: { nested: ["values"] } });
  console.error(new Error("printed"));
  for (let n = 0; n < 11; n++) process.on("SIGUSR1", () => {});
}, 1_000);`;

let stack: Stack;
let receiver: Receiver;
beforeAll(async () => {
  receiver = await startReceiver();
  stack = await startStack({
    nodeArgs: ["--import", `data:text/javascript,${encodeURIComponent(NOISE)}`],
    env: { POSTHASTE_LOG_LEVEL: "debug" },
  });
});
afterAll(async () => {
  await receiver.stop();
  await stack.dispose();
});

/** Returns the lines of a process's standard output and error, which go to one file. */
const linesOf = (text: string) =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

test("every line of API and worker is one JSON object, through an outage of Temporal and to the end", async () => {
  await stack.subscribe(receiver.url);
  await stack.temporal.kill();
  const dataJson = '{"__proto__":{"a":1},"b":2}';
  await stack.client.events.ingestEvent({
    eventType: "invoice_sent",
    snapshot: { case: "dataJson", value: dataJson },
  });
  const [worker] = stack.workers;
  await vi.waitFor(() => expect(worker?.log()).toContain('"away":["temporal"]'), PATIENCE);
  await stack.temporal.start();
  const [request] = await receiver.waitFor(1, { timeoutMs: 60_000 });
  // A member with an odd name arrives, too.
  expect(String(request?.body)).toBe(`[${dataJson}]`);
  const services = [...stack.apis, ...stack.workers];
  await vi.waitFor(() => {
    for (const { log } of services) expect(log()).toContain("MaxListenersExceededWarning");
  }, PATIENCE);
  for (const child of services) expect(await child.stop()).toBe(0);
  for (const { name, log } of services) {
    const lines = linesOf(log());
    for (const line of lines) {
      expect(line).toMatchObject({ service: name.toLowerCase(), event: expect.any(String) });
      expect(line).toMatchObject({ level: expect.any(String), time: expect.any(String) });
    }
    const texts = lines.filter(({ event }) => event === "process.printed").map(({ text }) => String(text));
    expect(texts[0]).toMatch(/^red \{\n/);
    expect(texts[1]).toMatch(/^Error: printed\n {4}at /);
    expect(lines.at(-1)?.["event"]).toBe("process.stopped");
  }
}, 120_000);

test.each(["api", "worker"])("so is every line of the %s if it cannot start", (service) => {
  const main = join(ROOT, `services/${service}/dist/main.js`);
  const { stdout, stderr, status } = spawnSync(process.execPath, [main], { env: {}, encoding: "utf8" });
  expect({ stderr, status }).toEqual({ stderr: "", status: 1 });
  expect(linesOf(stdout)).toEqual([
    expect.objectContaining({
      level: "error",
      service,
      event: "process.not_started",
      error: { type: "ConfigError", message: expect.stringContaining("DATABASE_URL") },
    }),
  ]);
});
