import { setImmediate } from "node:timers/promises";
import type { AccountId } from "@posthaste/domain";
import { type Log, silentLog } from "@posthaste/runtime";
import { poll } from "@posthaste/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { checkEvents } from "../src/catalog/schema/check-events.ts";
import { createKnownSchemas } from "../src/catalog/schema/known-schemas.ts";
import { createSchemaThreads, type SchemaThreads } from "../src/catalog/schema/schema-threads.ts";
import { type Bench, createOtherCatalog, startBench } from "./fixture.ts";

const many = <T>(length: number, make: (i: number) => T): T[] =>
  Array.from({ length }, (_item, i) => make(i));
const [A, B] = [1, 2] as AccountId[] as [AccountId, AccountId];
/** Takes a few hundred milliseconds to compile. */
const LARGE = {
  properties: Object.fromEntries(many(490, (i) => [`p${i}`, { type: "integer", minimum: i }])),
};
/** A check of this list takes most of the steps of a call. */
const COSTLY = {
  schema: { properties: { list: { items: { allOf: many(200, (i) => ({ not: { const: -i - 1 } })) } } } },
  data: { list: many(500, (i) => i) },
};
const SMALL = { type: "object", required: ["id"], properties: { id: { type: "integer" } } };

describe("what a schema costs delays nobody else:", () => {
  let t: Bench;
  beforeEach(async () => {
    t = await startBench();
  });
  afterEach(() => t.dispose());

  const create = async (code: string, schema: object, sample: object, token = t.token) => {
    const type = { code, schema, sampleJson: JSON.stringify(sample) };
    expect((await t.rpc("EventCatalogService/CreateEventType", type, { token })).status).toBe(200);
  };
  const check = async (token = t.token) => {
    const mode = { schemaCheck: "SCHEMA_CHECK_REJECT" };
    expect((await t.rpc("EventCatalogService/SetSchemaCheck", mode, { token })).status).toBe(200);
  };
  const ingest = async (eventType: string, data: object, token = t.token) => {
    const event = { eventType, dataJson: JSON.stringify(data) };
    expect((await t.rpc("EventIngestService/IngestEvent", event, { token })).status).toBe(200);
  };
  const isUnderWay = () => poll(() => t.requestsUnderWay().token > 0, { withinMs: 30_000 });
  const otherAccount = async () => (await t.accountWith(["events:write", "catalog:write"])).token;

  test.each([
    ["many properties", LARGE],
    [
      "many names that depend on another",
      {
        dependentRequired: Object.fromEntries(many(1_000, (i) => [`p${i}`, [`q${i}`]])),
      },
    ],
    ["many patterns", { patternProperties: Object.fromEntries(many(400, (i) => [`x{1,90}${i}`, true])) }],
  ])("while a type with %s is created, others' events are accepted", async (_what, schema) => {
    const token = await otherAccount();
    const done: string[] = [];
    const creating = create("large", schema, {}).then(() => done.push("created"));
    await isUnderWay();
    for (let i = 0; i < 5; i++) {
      await ingest("invoice_sent", { id: i }, token);
      done.push("accepted");
    }
    await creating;
    expect(done).toEqual([...many(5, () => "accepted"), "created"]);
  });

  test.each(["unchecked", "checked"])(
    "while 16 callers of one account send events that cost most of their steps, others' are accepted %s",
    async (how) => {
      const token = await otherAccount();
      await create("costly", COSTLY.schema, {});
      await create("small", SMALL, { id: 1 }, token);
      await check();
      if (how === "checked") await check(token);
      let costly = 0;
      const sending = many(16, () => ingest("costly", COSTLY.data).then(() => (costly += 1)));
      await isUnderWay();
      for (let i = 0; i < 5; i++) await ingest("small", { id: i }, token);
      expect(costly).toBeLessThan(12);
      await Promise.all(sending);
    },
  );

  test("calls that wait are forgotten once their callers have left", async () => {
    await create("costly", COSTLY.schema, {});
    await create("small", SMALL, { id: 1 });
    await check();
    const event = { eventType: "costly", dataJson: JSON.stringify(COSTLY.data) };
    const leaving = new AbortController();
    const calls = many(16, () =>
      fetch(`${t.url}/posthaste.v1.EventIngestService/IngestEvent`, {
        method: "POST",
        headers: { authorization: `Bearer ${t.token}`, "content-type": "application/json" },
        body: JSON.stringify(event),
        signal: leaving.signal,
      }).catch(() => {}),
    );
    await poll(() => t.requestsUnderWay().token > 12, { withinMs: 30_000 });
    leaving.abort();
    await Promise.all(calls);
    await poll(() => t.requestsUnderWay().token === 0, { withinMs: 30_000 });
    // Accounts have one thread each, so all that went before this has run.
    await ingest("small", { id: 1 });
    expect((await t.stored()).events).toBeLessThan(8);
    expect(t.logged("request.faulted")).toEqual([]);
  });

  test("a type of which thousands of names depend on others is created", async () => {
    const names = many(3_500, (i) => [`${i}`, [`${i}`]] as const);
    await create("huge", { dependentRequired: Object.fromEntries(names) }, {});
  });
});

test("an event that matches is checked without a thread once its type was used by twenty calls", async () => {
  const t = await startBench();
  try {
    const type = { code: "parcel", schema: SMALL, sampleJson: '{"id":1}' };
    expect((await t.rpc("EventCatalogService/CreateEventType", type)).status).toBe(200);
    const mode = { schemaCheck: "SCHEMA_CHECK_WARN" };
    expect((await t.rpc("EventCatalogService/SetSchemaCheck", mode)).status).toBe(200);
    const catalog = createOtherCatalog(t.store);
    const entry = await catalog.find(t.accountId, "parcel");
    if (entry === undefined) throw new Error("there is no parcel");
    const threads = createSchemaThreads(silentLog);
    let runs = 0;
    const schemaThreads: SchemaThreads = {
      ...threads,
      check: async (accountId, wanted) => {
        runs += 1;
        return await threads.check(accountId, wanted);
      },
    };
    const knownSchemas = createKnownSchemas(catalog);
    const parts = { catalog, knownSchemas, schemaThreads, log: silentLog };
    const runsFor = async (...texts: string[]) => {
      const before = runs;
      const events = texts.map((json) => ({ entry, json, field: "data_json" }));
      const found = await checkEvents(parts, t.accountId, events);
      return [runs - before, found.flat().length];
    };
    for (let i = 0; i < 20; i++) expect(await runsFor('{"id":1}', '{"id":2}')).toEqual([1, 0]);
    expect(await runsFor('{"id":1}', '{"id":2}')).toEqual([0, 0]);
    // To list what is wrong, and for calls that would take long, a thread is asked.
    expect(await runsFor('{"id":1}', '{"id":"2"}')).toEqual([1, 1]);
    expect(await runsFor(`{"id":1,"note":"${"x".repeat(70_000)}"}`)).toEqual([1, 0]);
    expect(await runsFor(...many(3_000, (i) => `{"id":${i}}`))).toEqual([1, 0]);
    await threads.stop();
  } finally {
    await t.dispose();
  }
});

describe("the threads", () => {
  const never = () => new AbortController().signal;
  const define = (threads: SchemaThreads, accountId: AccountId, schema: object = SMALL) =>
    threads.define(accountId, {
      schemaJson: JSON.stringify(schema),
      sampleJson: '{"id":1}',
      schemaBefore: undefined,
    });

  test("take one run of an account at a time, and another account's before its next", async () => {
    const threads = createSchemaThreads(silentLog);
    const done: string[] = [];
    const large = many(4, () => define(threads, A, LARGE).then(() => done.push("large")));
    await define(threads, B).then(() => done.push("small"));
    await define(threads, B).then(() => done.push("small"));
    await Promise.all(large);
    expect(done.indexOf("small")).toBeLessThan(2);
    expect(done.lastIndexOf("large")).toBe(5);
    await threads.stop();
  });

  test("take an account whose runs were short before those whose runs took long", async () => {
    const filename = new URL("./costly-thread.ts", import.meta.url).href;
    let nowMs = 0;
    let onBegin = () => never();
    const clock = { timeLimit: () => onBegin(), clockMs: () => nowMs };
    const threads = createSchemaThreads(silentLog, { filename, ...clock });
    const run = (account: number, sampleJson = "well") =>
      threads.define(account as AccountId, { schemaJson: "{}", sampleJson, schemaBefore: undefined });
    // From here on a run takes half a second: to compile, to check, or both.
    onBegin = () => {
      nowMs += 500;
      return never();
    };
    const costly = [11, 12, 13, 14];
    for (const account of costly) await run(account);
    const ends = many(2, () => new AbortController());
    const limits = ends.map(({ signal }) => signal);
    onBegin = () => limits.shift() ?? never();
    const held = Promise.allSettled([run(21, "late"), run(22, "late")]);
    const done: number[] = [];
    const waiting = [...costly, 31].map((account) => run(account).then(() => done.push(account)));
    ends[0]?.abort();
    await Promise.all(waiting);
    // The first one's debt is repaid most.
    expect(done).toEqual([31, ...costly]);
    ends[1]?.abort();
    for (const { status } of await held) expect(status).toBe("rejected");
    await threads.stop();
  });

  test("refuse an account too many runs, and no other account", async () => {
    const threads = createSchemaThreads(silentLog, { waitingMax: 2 });
    const first = many(3, () => define(threads, A));
    await expect(define(threads, A)).rejects.toMatchObject({ code: "too_many", retryAfterMs: 1_000 });
    await define(threads, B);
    await Promise.all(first);
    await define(threads, A);
    await threads.stop();
  });

  test("hold a bounded number of characters that wait, which accounts share", async () => {
    const filename = new URL("./costly-thread.ts", import.meta.url).href;
    const threads = createSchemaThreads(silentLog, {
      ...{ filename, timeLimit: never },
      waitingCharsMax: 100_000,
    });
    const late = { schemaJson: "{}", sampleJson: "late", schemaBefore: undefined };
    const calls: Promise<unknown>[] = many(2, (n) => threads.define((n + 10) as AccountId, late));
    const leaving = new AbortController();
    /** Sends sixty calls, and returns how many wait. */
    const fill = async (accountId: AccountId) => {
      const wanted = { schemas: [], events: [{ schema: 0, json: "x".repeat(976) }], violationsMax: 1 };
      let refused = 0;
      for (const call of many(60, () => threads.check(accountId, wanted, leaving.signal))) {
        calls.push(call);
        call.catch(({ code }) => (refused += code === "too_many" ? 1 : 0));
      }
      await setImmediate();
      return 60 - refused;
    };
    // Each counts 2,000 characters.
    expect([await fill(A), await fill(B), await fill(3 as AccountId)]).toEqual([40, 8, 1]);
    leaving.abort();
    const ended = Promise.allSettled(calls);
    await threads.stop();
    for (const { status } of await ended) expect(status).toBe("rejected");
  });

  test("forget runs for which nobody waits any more", async () => {
    const threads = createSchemaThreads(silentLog, { waitingMax: 2 });
    const schemas = [{ owner: A, key: "1", code: "small", json: JSON.stringify(SMALL) }];
    const events = [{ schema: 0, json: '{"id":1}' }];
    const check = (signal?: AbortSignal) => threads.check(A, { schemas, events, violationsMax: 1 }, signal);
    const first = check();
    for (let n = 0; n < 3; n++) {
      const leaving = new AbortController();
      const waiting = many(2, () => check(leaving.signal));
      leaving.abort(new Error("left"));
      for (const { status } of await Promise.allSettled(waiting)) expect(status).toBe("rejected");
    }
    const last = check();
    expect(await Promise.all([first, last])).toEqual([[[]], [[]]]);
    await threads.stop();
  });

  test.each([
    ["never", { name: "Refusal", code: "too_many" }],
    ["out of memory", { name: "Refusal", code: "too_many" }],
    ["with its thread", { message: expect.stringContaining("exited") }],
    ["with an error", { message: "a fault" }],
  ])("survive a run that ends %s, and so do the runs behind it", async (end, error) => {
    const filename = new URL("./costly-thread.ts", import.meta.url).href;
    let timeLimit = never;
    const threads = createSchemaThreads(silentLog, { filename, timeLimit: () => timeLimit(), heapMbMax: 32 });
    const ending = (sampleJson: string) =>
      threads.define(A, { schemaJson: "{}", sampleJson, schemaBefore: undefined });
    for (let i = 0; i < 3; i++) {
      // The next run has its thread, so it begins before its time is over.
      await ending("well");
      if (end === "never") timeLimit = () => AbortSignal.timeout(500);
      const [first, ...behind] = [ending(end), ending("well")];
      timeLimit = never;
      await expect(first).rejects.toMatchObject(error);
      await Promise.all(behind);
    }
    await threads.stop();
  });

  test("refuse what a thread that cannot start does not do, and say so in the log", async () => {
    const lines: string[] = [];
    const filename = new URL("./missing-thread.ts", import.meta.url).href;
    const timeIsOver = new AbortController();
    const log: Log = {
      ...silentLog,
      error(event) {
        lines.push(event);
        timeIsOver.abort();
      },
    };
    const threads = createSchemaThreads(log, { filename, timeLimit: () => timeIsOver.signal });
    await expect(define(threads, A)).rejects.toMatchObject({ code: "too_many" });
    expect(lines).toContain("schema_threads.failed");
    await threads.stop();
  });
});
