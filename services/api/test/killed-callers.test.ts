import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Bench, startBench } from "./fixture.ts";

const CALLERS = 5;
/** Less than a ping takes to find out that a client is gone: the end of its connection says so at once. */
const PATIENCE = { timeout: 10_000 };

/** A client with one HTTP/2 session; it prints a line when it has what it came for, and then stays. */
const CLIENT = `
const [url, how] = process.argv.slice(1);
const session = require("node:http2").connect(url);
const ask = (head) => session.request(head);
const tell = () => console.log("there");
if (how === "idle") ask({ ":path": "/healthz" }).on("end", tell).resume();
else {
  const path = how === "watching" ? "/grpc.health.v1.Health/Watch" : "/posthaste.v1.SessionService/OpenSession";
  const type = { "content-type": "application/grpc", te: "trailers" };
  const call = ask({ ":method": "POST", ":path": path, ...type });
  // An empty message, or two bytes of one of a hundred.
  if (how === "watching") call.on("data", tell).end(Buffer.alloc(5));
  else call.write(Buffer.from([0, 0, 0, 0, 100, 1, 2]), tell);
}`;

let t: Bench;
const callers: ChildProcess[] = [];
beforeEach(async () => {
  t = await startBench();
});
afterEach(async () => {
  for (const caller of callers.splice(0)) caller.kill("SIGKILL");
  await t.dispose();
});

async function call(how: string): Promise<void> {
  const caller = spawn(process.execPath, ["-e", CLIENT, t.url, how], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  callers.push(caller);
  if (caller.stdout === null) throw new Error("the caller has no output");
  await once(caller.stdout, "data");
}

test.each([
  ["idle", 0],
  ["watching", CALLERS],
  ["sending", CALLERS],
])("of five killed clients with HTTP/2 sessions that are %s, nothing is left open", async (how, streams) => {
  const none = t.counters();
  await Promise.all(Array.from({ length: CALLERS }, async () => await call(how)));
  await expect.poll(t.counters).toMatchObject({ http2: CALLERS, sessions: CALLERS, streams });
  for (const caller of callers) caller.kill("SIGKILL");
  await expect.poll(t.counters, PATIENCE).toEqual(none);
  expect(Object.values(none).filter((count) => count !== 0)).toEqual([]);
});
