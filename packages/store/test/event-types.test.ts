import type { AccountId } from "@posthaste/domain";
import { expect, test } from "vitest";
import {
  archiveEventType,
  createAccount,
  createEventType,
  getSchemaCheck,
  listEventTypes,
  readEventType,
  readEventTypes,
  setSchemaCheck,
  updateEventType,
} from "../src/index.ts";
import { NOW, onEachDatabase } from "./fixture.ts";

const TEXTS = {
  description: "A parcel was sent.",
  schemaJson: "{}",
  sampleJson: '{"a": "é"}',
  keys: [{ pointer: "/é", sensitive: true }],
};

onEachDatabase("an event type", (bench) => {
  const create = (owner: AccountId | "shared", code = "parcel_sent", over: Partial<typeof TEXTS> = {}) =>
    createEventType(bench().store, { owner, code, ...TEXTS, ...over, now: NOW });
  const other = async () => (await createAccount(bench().store, { name: "other", now: NOW })).id;
  const alreadyExists = { code: "already_exists", field: "code" };

  test("is visible to its account only, with its texts as written", async () => {
    const { store, accountId } = bench();
    const created = await create(accountId);
    expect(created).toMatchObject({ code: "parcel_sent", shared: false, version: 1, archivedAt: null });
    expect(await listEventTypes(store, accountId, { limit: 10 })).toMatchObject([
      { id: created.id, version: 1, keys: TEXTS.keys },
    ]);
    expect(await readEventType(store, { id: created.id, version: 1 })).toEqual({
      ...TEXTS,
      version: 1,
      storedAt: NOW,
    });
    const second = await other();
    expect(await listEventTypes(store, second, { limit: 10 })).toEqual([]);
    expect((await create(second)).id).not.toBe(created.id);
  });

  test("has a code that is unique for each account, shared types included", async () => {
    const { accountId } = bench();
    await create(accountId, "own");
    await expect(create(accountId, "own")).rejects.toMatchObject(alreadyExists);
    await expect(create("shared", "own")).rejects.toMatchObject(alreadyExists);
    await create("shared", "everyones");
    await expect(create("shared", "everyones")).rejects.toMatchObject(alreadyExists);
    await expect(create(accountId, "everyones")).rejects.toMatchObject(alreadyExists);
    await expect(create(await other(), "everyones")).rejects.toMatchObject(alreadyExists);
  });

  test("is never both shared and an account's own, even if both are created at once", async () => {
    const { store, accountId } = bench();
    const second = await other();
    for (let round = 0; round < 5; round++) {
      const code = `parcel_${round}`;
      const owners = ["shared", accountId, second] as const;
      const results = await Promise.allSettled(owners.map((owner) => create(owner, code)));
      const [shared, ...owns] = results.map(({ status }) => status === "fulfilled");
      expect(shared ? owns : owns.map((own) => !own)).toEqual([false, false]);
      for (const result of results)
        if (result.status === "rejected") expect(result.reason).toMatchObject(alreadyExists);
    }
    expect(await readEventTypes(store, "shared")).toBeInstanceOf(Map);
  });

  test("gets a new version with each change and keeps the earlier versions", async () => {
    const { store, accountId: owner } = bench();
    const { id } = await create(owner);
    const next = { id, owner, ...TEXTS, schemaJson: '{"title":"two"}', now: NOW + 5 };
    expect(await updateEventType(store, { ...next, basedOn: 1 })).toMatchObject({
      version: 2,
      storedAt: NOW + 5,
    });
    expect(await listEventTypes(store, owner, { limit: 10 })).toMatchObject([{ version: 2, createdAt: NOW }]);
    expect(await readEventType(store, { id, version: 1 })).toMatchObject({ schemaJson: "{}" });
    expect(await readEventType(store, { id, version: 3 })).toBeUndefined();
    expect(await readEventTypes(store, owner)).toEqual(
      new Map([[id, expect.objectContaining({ version: 2, schemaJson: '{"title":"two"}' })]]),
    );
  });

  test("is changed by only one of several concurrent updates, and by none once it is archived", async () => {
    const { store, accountId: owner } = bench();
    const { id } = await create(owner);
    const update = (basedOn: number) => updateEventType(store, { id, owner, basedOn, ...TEXTS, now: NOW });
    const changes = await Promise.all([update(1), update(1), update(1)]);
    expect(changes.filter((change) => change !== undefined)).toHaveLength(1);
    await archiveEventType(store, { id, now: NOW + 1 });
    await archiveEventType(store, { id, now: NOW + 2 });
    expect(await update(2)).toBeUndefined();
    expect(await listEventTypes(store, owner, { limit: 10 })).toMatchObject([
      { version: 2, archivedAt: NOW + 1 },
    ]);
  });

  test("is refused if its owner's catalogue is full, and then takes up no space", async () => {
    const { store, accountId } = bench();
    const large = { sampleJson: `{"a":"${"x".repeat(700_000)}"}` };
    await create(accountId, "one", large);
    const { id } = await create(accountId, "two", large);
    const full = { code: "too_many", message: expect.stringContaining("the maximum is 1500000") };
    await expect(create(accountId, "three", large)).rejects.toMatchObject(full);
    const grown = { sampleJson: `{"a":"${"x".repeat(900_000)}"}` };
    const update = { id, owner: accountId, basedOn: 1, ...TEXTS, ...grown, now: NOW };
    await expect(updateEventType(store, update)).rejects.toMatchObject(full);
    expect(await listEventTypes(store, accountId, { limit: 10 })).toMatchObject([
      { version: 1 },
      { version: 1 },
    ]);
    await create(await other(), "three", large);
  });

  test("takes up space for each value in its schema, which is longer in an answer than as JSON", async () => {
    const { store, accountId } = bench();
    const schemaOf = (values: number) => ({ schemaJson: JSON.stringify({ default: Array(values).fill(1) }) });
    const full = { code: "too_many", message: expect.stringContaining("the maximum is 1500000") };
    await create(accountId, "one", schemaOf(30_000));
    const { id } = await create(accountId, "two", schemaOf(30_000));
    await expect(create(accountId, "three", schemaOf(30_000))).rejects.toMatchObject(full);
    const update = { id, owner: accountId, basedOn: 1, ...TEXTS, ...schemaOf(60_000), now: NOW };
    await expect(updateEventType(store, update)).rejects.toMatchObject(full);
    // The same bytes in one value.
    await create(accountId, "four", { schemaJson: JSON.stringify({ title: "x".repeat(60_000) }) });
  });
});

onEachDatabase("the schema check", (bench) => {
  test("is set per account, and is off by default", async () => {
    const { store, accountId } = bench();
    const { id: other } = await createAccount(store, { name: "other", now: NOW });
    expect(await getSchemaCheck(store, accountId)).toBe("OFF");
    await setSchemaCheck(store, { accountId, schemaCheck: "REJECT", now: NOW });
    expect(await getSchemaCheck(store, accountId)).toBe("REJECT");
    expect(await getSchemaCheck(store, other)).toBe("OFF");
  });

  test("is not written again if it is the same", async () => {
    const { store, accountId } = bench();
    let writes = 0;
    const db = store.db.withPlugin({
      transformQuery: ({ node }) => {
        if (node.kind === "UpdateQueryNode") writes += 1;
        return node;
      },
      transformResult: async ({ result }) => result,
    });
    for (const schemaCheck of ["OFF", "WARN", "WARN", "REJECT"] as const) {
      await setSchemaCheck({ ...store, db }, { accountId, schemaCheck, now: NOW });
    }
    expect(writes).toBe(2);
  });
});
