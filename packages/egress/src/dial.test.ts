import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import { type AccountId, EGRESS_PORTS_DEFAULT, parseNetworks } from "@posthaste/domain";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { connectToOne } from "./dial.ts";
import { createEgress } from "./egress.ts";

const PATIENCE = { timeout: 20_000, interval: 10 };
/** Connections that are made to the host, and those of them for which its queue has room. */
const [FILLING, QUEUED] = [8, 2];

let host: ChildProcess;
let port: number;
const queued: Socket[] = [];

/** A host that answers no SYN until it goes on: it is stopped, and its queue is full. */
beforeEach(async () => {
  const answer = JSON.stringify("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  const receive = `(s) => s.on("error", () => {}).on("data", () => s.write(${answer}))`;
  const listen = '{ port: 0, host: "127.0.0.1", backlog: 1 }';
  const script = `const s = require("net").createServer(${receive}).listen(${listen}, () => console.log(s.address().port))`;
  host = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  if (host.stdout === null) throw new Error("the host has no output");
  const [line] = await once(host.stdout, "data");
  port = Number(line);
  host.kill("SIGSTOP");
  for (let i = 0; i < FILLING; i++) queued.push(connect(port, "127.0.0.1").on("error", () => {}));
  await vi.waitFor(() => expect(dialling()).toBe(FILLING - QUEUED), PATIENCE);
});
afterEach(() => {
  for (const socket of queued.splice(0)) socket.destroy();
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

test("a receiver that is far away is reached although another of its addresses refuses at once", async () => {
  const egress = createEgress({
    rules: { ports: EGRESS_PORTS_DEFAULT, allow: parseNetworks("127.0.0.0/8") },
    lookup: async () => ["127.0.0.1", "127.0.0.2"].map((address) => ({ address, family: 4 })),
  });
  const attempt = egress.post({
    url: `http://yoursite.example:${port}/`,
    headers: {},
    body: Buffer.from("[{}]"),
    acceptance: "OK_ONLY",
    accountId: 1 as AccountId,
    timeoutMs: 60_000,
  });
  await expect.poll(dialling).toBe(FILLING - QUEUED + 1);
  // The system repeats a SYN that was not answered after a second, when Node's own way would have given up.
  host.kill("SIGCONT");
  expect(await attempt).toMatchObject({ outcome: "accepted", address: `127.0.0.1:${port}` });
  egress.close();
});

describe("of several addresses", () => {
  const [A, B, C, D] = ["192.0.2.1", "192.0.2.2", "2606:4700::1", "2606:4700::2"] as const;
  const at = (...addresses: string[]) =>
    addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
  const opened = new Map<string, { signal: AbortSignal } & PromiseWithResolvers<Socket>>();
  const open = (address: string, signal: AbortSignal) => {
    const opening = { ...Promise.withResolvers<Socket>(), signal };
    opened.set(address, opening);
    return opening.promise;
  };
  const signal = () => new AbortController().signal;
  const settled = async () => await vi.advanceTimersByTimeAsync(0);

  beforeEach(() => {
    opened.clear();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("one after the other joins, families in turn, and those before it go on", async () => {
    const connected = connectToOne(at(C, D, A, B), open, { signal: signal() });
    expect([...opened.keys()]).toEqual([C]);
    await vi.advanceTimersByTimeAsync(249);
    expect([...opened.keys()]).toEqual([C]);
    await vi.advanceTimersByTimeAsync(1);
    expect([...opened.keys()]).toEqual([C, A]);
    await vi.advanceTimersByTimeAsync(500);
    expect([...opened.keys()]).toEqual([C, A, D, B]);
    const socket = new Socket();
    opened.get(C)?.resolve(socket);
    expect(await connected).toEqual({ socket, address: C });
    expect([...opened.values()].map(({ signal }) => signal.aborted)).toEqual([false, true, true, true]);
  });

  test("the next joins at once if the newest fails, and a connection that comes late is closed", async () => {
    const connected = connectToOne(at(A, B), open, { signal: signal() });
    opened.get(A)?.reject(new Error("refused"));
    await settled();
    const [early, late] = [new Socket(), new Socket()];
    opened.get(B)?.resolve(early);
    expect(await connected).toEqual({ socket: early, address: B });
    const again = connectToOne(at(A, B), open, { signal: signal() });
    await vi.advanceTimersByTimeAsync(250);
    opened.get(A)?.resolve(early);
    opened.get(B)?.resolve(late);
    expect(await again).toEqual({ socket: early, address: A });
    await settled();
    expect(late.destroyed).toBe(true);
  });

  test("all have failed if each has, in the order of the addresses", async () => {
    const connected = connectToOne(at(A, B), open, { signal: signal() });
    connected.catch(() => {});
    await vi.advanceTimersByTimeAsync(250);
    opened.get(B)?.reject(new Error("second"));
    opened.get(A)?.reject(new Error("first"));
    await expect(connected).rejects.toMatchObject({ errors: [new Error("first"), new Error("second")] });
  });

  test("a name with fifty has eight tried, and the end of the attempt ends them all", async () => {
    const attempt = new AbortController();
    const fifty = at(...Array.from({ length: 50 }, (_, i) => `192.0.2.${i}`));
    const connected = connectToOne(fifty, open, { signal: attempt.signal });
    connected.catch(() => {});
    await vi.advanceTimersByTimeAsync(60_000);
    expect(opened.size).toBe(8);
    attempt.abort();
    await expect(connected).rejects.toBe(attempt.signal.reason);
    expect([...opened.values()].every(({ signal }) => signal.aborted)).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });
});
