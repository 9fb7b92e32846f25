import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { silentLog } from "@posthaste/runtime";
import { describe, expect, test } from "vitest";
import { createSchemaThreads } from "../src/catalog/schema/schema-threads.ts";
import { startBench } from "./fixture.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;
const MIB = 1_048_576;
const CALLS = 6;
const never = () => new AbortController().signal;

const dense = (count: number) => `{"a":[${"{},".repeat(count - 1)}{}]}`;
const named = { eventType: "invoice_sent" };
const ROWS: readonly (readonly [string, object])[] = [
  // Parsed, either takes over 2 MiB.
  ["a snapshot as text", { ...named, dataJson: dense(50_000) }],
  ["a snapshot as a Struct", { ...named, data: JSON.parse(dense(50_000)) }],
];

describe("a call that waits for a thread holds", () => {
  test.each(ROWS)("%s, and not parsed", async (_what, event) => {
    const filename = new URL("./costly-thread.ts", import.meta.url).href;
    const threads = createSchemaThreads(silentLog, { filename, timeLimit: never });
    let waiting = 0;
    const check: typeof threads.check = async (...wanted) => {
      waiting += 1;
      return await threads.check(...wanted);
    };
    const t = await startBench({ schemaThreads: { ...threads, check } });
    const mode = { schemaCheck: "SCHEMA_CHECK_WARN" };
    expect((await t.rpc("EventCatalogService/SetSchemaCheck", mode)).status).toBe(200);
    const late = { schemaJson: "{}", sampleJson: "late", schemaBefore: undefined };
    const leaving = new AbortController();
    const calls = [threads.define(t.accountId, late).catch(() => "ended")];
    const heapAt = async (count: number) => {
      for (; calls.length <= count; ) {
        const sent = fetch(`${t.url}/posthaste.v1.EventIngestService/IngestEvent`, {
          method: "POST",
          headers: { authorization: `Bearer ${t.token}`, "content-type": "application/json" },
          body: JSON.stringify(event),
          signal: leaving.signal,
        });
        calls.push(sent.then(({ status }) => `${status}`).catch(() => "left"));
      }
      await expect.poll(() => waiting).toBe(count);
      collectGarbage();
      return process.memoryUsage().heapUsed;
    };
    const before = await heapAt(2);
    expect((await heapAt(2 + CALLS)) - before).toBeLessThan(CALLS * MIB);
    leaving.abort();
    await threads.stop();
    expect(new Set(await Promise.all(calls))).toEqual(new Set(["ended", "left"]));
    await t.dispose();
  });
});
