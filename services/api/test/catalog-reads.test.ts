import type { AccountId } from "@posthaste/domain";
import { readConfig } from "@posthaste/runtime";
import { afterEach, describe, expect, test } from "vitest";
import { createAccess } from "../src/access/create-access.ts";
import { createOwnerTypes } from "../src/catalog/owner-types.ts";
import { LIMIT_SETTINGS, limitsFrom } from "../src/http/limits.ts";
import { type Bench, startBench } from "./fixture.ts";

/** An owner's types are read in pages of 500. */
const TYPES = 1_200;
const PAGES = 3;

let t: Bench;
afterEach(() => t.dispose());

/** The clock of the catalogue stands still, so nothing that it keeps grows old. */
let [clockMs, pagesRead] = [1, 0];
const start = async (database: "sqlite" | "mysql") => {
  [clockMs, pagesRead] = [1, 0];
  t = await startBench({
    database,
    catalogClockMs: () => clockMs,
    onTypesRead: () => {
      pagesRead += 1;
    },
  });
};
const addTypes = async (accountId: AccountId, count: number) => {
  const types = Array.from({ length: count }, (_, n) => ({ id: n + 1, code: `parcel_${n}` }));
  const shared = { account_id: accountId, version: 1, created_at: 1 };
  for (let from = 0; from < count; from += 200) {
    const some = types.slice(from, from + 200);
    const rows = some.map((type) => ({ ...type, ...shared, bytes: 200, updated_at: 1, archived_at: null }));
    await t.store.db.insertInto("event_types").values(rows).execute();
    const texts = { description: "A parcel.", schema_json: "{}", sample_json: "{}" };
    const versions = some.map(({ id }) => ({ event_type_id: id, ...shared, ...texts }));
    await t.store.db.insertInto("event_type_versions").values(versions).execute();
  }
};
const catalog = (method: string, body: object = {}) => t.rpc(`EventCatalogService/${method}`, body);
const ingest = (eventType: string) => t.rpc("EventIngestService/IngestEvent", { eventType, dataJson: "{}" });
const parcel = { schema: { type: "object" }, sampleJson: "{}" };

describe.each(["sqlite", "mysql"] as const)("with %s", (database) => {
  test("no change of an account makes its event types be read again", async () => {
    await start(database);
    await addTypes(t.accountId, 1);
    expect((await ingest("parcel_0")).status).toBe(200);
    const before = pagesRead;
    for (const schemaCheck of ["SCHEMA_CHECK_REJECT", "SCHEMA_CHECK_REJECT", "SCHEMA_CHECK_OFF"]) {
      await catalog("SetSchemaCheck", { schemaCheck });
      expect((await catalog("GetSchemaCheck")).body).toEqual({ schemaCheck });
    }
    expect((await ingest("parcel_new")).status).toBe(400);
    expect((await catalog("CreateEventType", { code: "parcel_new", ...parcel })).status).toBe(200);
    expect((await ingest("parcel_new")).status).toBe(200);
    const updated = await catalog("UpdateEventType", { code: "parcel_0", description: "It left." });
    expect(updated.body.eventType).toMatchObject({ version: 2 });
    expect((await catalog("GetEventType", { code: "parcel_0" })).body).toEqual(updated.body);
    expect((await catalog("ArchiveEventType", { code: "parcel_new" })).status).toBe(200);
    expect((await ingest("parcel_new")).body).toMatchObject({ code: "failed_precondition" });
    expect(pagesRead).toBe(before);
  });

  test("calls that update one event type at once all succeed, and read no others", async () => {
    await start(database);
    await addTypes(t.accountId, 1);
    await ingest("parcel_0");
    const before = pagesRead;
    const update = (description: string) => catalog("UpdateEventType", { code: "parcel_0", description });
    const answers = await Promise.all(["It left.", "It arrived.", "It is back."].map(update));
    expect(answers.map(({ body }) => body.eventType?.version).sort()).toEqual([2, 3, 4]);
    expect((await catalog("GetEventType", { code: "parcel_0" })).body.eventType.version).toBe(4);
    expect(pagesRead).toBe(before);
  });

  test("calls that need a large catalogue share one read of it, whether or not they read costly", async () => {
    await start(database);
    await addTypes(t.accountId, TYPES);
    const lists = Array.from({ length: 20 }, () => catalog("ListEventTypes"));
    const ingests = Array.from({ length: 20 }, () => ingest(`parcel_${TYPES - 1}`));
    const statuses = (await Promise.all([...lists, ...ingests])).map(({ status }) => status);
    expect(statuses).toEqual(Array(40).fill(200));
    // One more page: that of the shared types.
    expect(pagesRead).toBe(PAGES + 1);
    expect(t.counters()).toMatchObject({ reads: 0, computations: 0 });
  });

  test("all but the first page is read in places and looked at in turns, and no place waits for a turn", async () => {
    await start(database);
    await addTypes(t.accountId, TYPES);
    const access = createAccess(t.store, () => Date.now(), limitsFrom(readConfig(LIMIT_SETTINGS, {})));
    const { costlyReads, loopTurns } = access;
    const steps: string[] = [];
    const types = createOwnerTypes(
      {
        store: t.store,
        costlyReads: {
          ...costlyReads,
          async run(accountId, read, signal) {
            steps.push(`place of ${accountId}`);
            return await costlyReads.run(accountId, read, signal);
          },
        },
        loopTurns: {
          ...loopTurns,
          async wait(accountId, bytes, signal) {
            steps.push(`${costlyReads.open()} open, turn of ${accountId} for ${bytes}`);
            await loopTurns.wait(accountId, bytes, signal);
          },
        },
      },
      () => clockMs,
    );
    expect((await types.of(t.accountId)).entries.size).toBe(TYPES);
    const id = t.accountId;
    expect(steps).toEqual([
      `place of ${id}`,
      `0 open, turn of ${id} for 100000`,
      `place of ${id}`,
      `0 open, turn of ${id} for 40000`,
    ]);
  });

  test("a change while the types are being read is in them for whoever asks after it", async () => {
    await start(database);
    await addTypes(t.accountId, TYPES);
    const access = createAccess(t.store, () => Date.now(), limitsFrom(readConfig(LIMIT_SETTINGS, {})));
    const types = createOwnerTypes({ store: t.store, ...access }, () => clockMs);
    const before = types.of(t.accountId);
    const row = { id: 1, code: "parcel_0", shared: false, keys: [], createdAt: 1, archivedAt: null };
    types.changed(t.accountId, { ...row, version: 3 });
    // An older one that comes late changes nothing.
    types.changed(t.accountId, { ...row, version: 2 });
    const after = await types.of(t.accountId);
    expect(after.entries.get("parcel_0")).toMatchObject({ version: 3 });
    expect(await before).toBe(after);
    clockMs += 2_001;
    expect((await types.of(t.accountId)).entries.get("parcel_0")).toMatchObject({ version: 1 });
  });
});
