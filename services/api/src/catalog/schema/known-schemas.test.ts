import type { AccountId } from "@posthaste/domain";
import { expect, test } from "vitest";
import type { Catalog, CatalogEntry } from "../catalog.ts";
import { createKnownSchemas } from "./known-schemas.ts";

const [A, B] = [1, 2] as AccountId[] as [AccountId, AccountId];

/** Only texts are read. */
const catalog = {
  texts: async () => ({
    version: 1,
    description: "",
    schemaJson: "{}",
    sampleJson: "{}",
    keys: [],
    storedAt: 1,
  }),
} as Partial<Catalog> as Catalog;

let ids = 0;
const typeOf = (shared = false): CatalogEntry => {
  ids += 1;
  const type = { code: `type_${ids}`, version: 1, keys: [], archivedAt: null };
  return { ...type, stored: { ...type, id: ids, shared, createdAt: 1 } };
};
const types = (count: number) => Array.from({ length: count }, () => typeOf());

/** The clock moves on by a millisecond whenever it is read, so compiling takes a millisecond. */
function setup() {
  let nowMs = 0;
  const known = createKnownSchemas(catalog, { clockMs: () => ++nowMs });
  const isCompiled = async (accountId: AccountId, entry: CatalogEntry) =>
    (await known.of(accountId, entry)).matches !== undefined;
  return {
    elapsedMs: () => nowMs,
    isCompiled,
    async call(accountId: AccountId, ...entries: readonly CatalogEntry[]) {
      const schemas = [];
      for (const entry of entries) schemas.push(await known.of(accountId, entry));
      return known.compileHere(accountId, schemas);
    },
    async compiledOf(accountId: AccountId, entries: readonly CatalogEntry[]) {
      let compiled = 0;
      for (const entry of entries) if (await isCompiled(accountId, entry)) compiled += 1;
      return compiled;
    },
  };
}

test("an account that goes through thousands of schemas displaces none of another, and none that all use", async () => {
  const { call, isCompiled } = setup();
  const [ofB, ofAll] = [typeOf(), typeOf(true)];
  for (let n = 0; n < 40; n++) {
    await call(B, ofB);
    await call(B, ofAll);
  }
  const many = types(2_100);
  for (let n = 0; n < 3; n++) await call(A, ...many);
  expect([await isCompiled(B, ofB), await isCompiled(A, ofAll)]).toEqual([true, true]);
});

test("an account's schemas are compiled in a twentieth of the time, and others do not wait for it", async () => {
  const { call, compiledOf, elapsedMs } = setup();
  const [ofA, ofB] = [types(165), typeOf()];
  let whenB = 0;
  for (let n = 0; n < 40; n++) {
    for (const type of ofA) await call(A, type);
    if (!(await call(B, ofB))) whenB = n;
  }
  const compiled = await compiledOf(A, ofA);
  expect(compiled).toBeGreaterThan(100);
  expect(compiled).toBeLessThanOrEqual(elapsedMs() / 20 + 1);
  expect(whenB).toBeLessThan(25);
});

test("the schemas of all accounts together are compiled in a fifth of the time", async () => {
  const { call, compiledOf, elapsedMs } = setup();
  const accounts = Array.from({ length: 20 }, (_item, i) => (i + 1) as AccountId);
  const own = accounts.map((accountId) => ({ accountId, entries: types(20) }));
  for (let n = 0; n < 24 * 20; n++) {
    for (const { accountId, entries } of own) await call(accountId, ...entries.slice(n % 20, (n % 20) + 1));
  }
  let compiled = 0;
  for (const { accountId, entries } of own) compiled += await compiledOf(accountId, entries);
  expect(compiled).toBeGreaterThan(200);
  expect(compiled).toBeLessThanOrEqual(elapsedMs() / 5 + 1);
});
