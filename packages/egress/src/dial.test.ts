import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import { type AccountId, EGRESS_PORTS_DEFAULT, parseNetworks } from "@posthaste/domain";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { createEgress } from "./egress.ts";

const PATIENCE = { timeout: 20_000, interval: 10 };
/** Connections that are made to the host, and those of them for which its queue has room. */
const [FILLING, QUEUED] = [8, 2];

let host: ChildProcess;
let port: number;
const queued: Socket[] = [];

/** A host that answers no SYN: it is stopped, and its queue is full. */
beforeAll(async () => {
  const script =
    'const s = require("net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => console.log(s.address().port))';
  host = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  if (host.stdout === null) throw new Error("the host has no output");
  const [line] = await once(host.stdout, "data");
  port = Number(line);
  host.kill("SIGSTOP");
  for (let i = 0; i < FILLING; i++) queued.push(connect(port, "127.0.0.1").on("error", () => {}));
  await vi.waitFor(() => expect(dialling()).toBe(FILLING - QUEUED), PATIENCE);
});
afterAll(() => {
  for (const socket of queued) socket.destroy();
  host.kill("SIGKILL");
});

/** The connections of this process that are being made. */
const dialling = () => process.getActiveResourcesInfo().filter((kind) => kind === "ConnectWrap").length;

test.each([
  ["to a receiver over http", "http", false],
  ["to a receiver over https", "https", false],
  ["to the outbound proxy", "http", true],
])("the dial %s ends with its attempt", async (_which, scheme, isByProxy) => {
  const egress = createEgress({
    rules: { ports: EGRESS_PORTS_DEFAULT, allow: parseNetworks("127.0.0.0/8,203.0.113.0/24") },
    lookup: async () => [{ address: isByProxy ? "203.0.113.1" : "127.0.0.1", family: 4 }],
    ...(isByProxy ? { proxy: new URL(`http://127.0.0.1:${port}`) } : {}),
  });
  const attempt = egress.post({
    url: `${scheme}://yoursite.example:${port}/`,
    headers: {},
    body: Buffer.from("[{}]"),
    acceptance: "OK_ONLY",
    accountId: 1 as AccountId,
    timeoutMs: 1_000,
  });
  const isOver = attempt.catch(() => {});
  await expect.poll(dialling).toBe(FILLING - QUEUED + 1);
  await isOver;
  // The system closes the socket within a turn or two of the event loop.
  for (let turn = 0; turn < 10; turn++) await setImmediate();
  expect(dialling()).toBe(FILLING - QUEUED);
  egress.close();
});
