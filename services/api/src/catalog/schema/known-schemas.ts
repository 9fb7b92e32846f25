import type { JsonObject } from "@bufbuild/protobuf";
import type { AccountId } from "@posthaste/domain";
import type { Catalog, CatalogEntry } from "../catalog.ts";
import { createCompileBudget } from "./compile-budget.ts";
import { compileMatcher, type Matches } from "./compile-schema.ts";
import { createKeptSchemas, type SchemaOwner } from "./kept-schemas.ts";

/** Calls that use a schema before it is compiled here. Together they take as long as compiling it. */
const CALLS_FIRST = 20;
/**
 * The largest schema that is compiled here, which takes up to 30 ms: its objects and lists, of which the
 * built-in ones have up to 50, and its characters, of which they have 2,300.
 */
const PARTS_HERE_MAX = 64;
const CHARS_HERE_MAX = 8_192;

/** The schema of an event type's version. */
export type KnownSchema = {
  readonly owner: SchemaOwner;
  /** Identifies the version. */
  readonly key: string;
  readonly json: string;
  /** Whether it may be compiled here. */
  readonly isSmall: boolean;
  /** The calls that have used it, while it was kept. */
  calls: number;
  /** Set once it is compiled here. */
  matches: Matches | undefined;
};

/** Keeps the schemas used most recently. A version never changes, so no schema is ever stale. */
export type KnownSchemas = {
  /** Returns the schema of a type as this account sees it. */
  of(accountId: AccountId, entry: CatalogEntry): Promise<KnownSchema>;
  /**
   * Counts a call of the account that uses these schemas, and compiles one of them if it is small, many calls
   * have used it, and the account's turn has come.
   *
   * @returns whether all of them are now compiled here
   */
  compileHere(accountId: AccountId, schemas: readonly KnownSchema[]): boolean;
};

/** @param options for tests; `clockMs` is a monotonic clock in milliseconds */
export function createKnownSchemas(
  catalog: Catalog,
  { keptCharsMax, clockMs = () => performance.now() }: { keptCharsMax?: number; clockMs?: () => number } = {},
): KnownSchemas {
  const kept = createKeptSchemas<KnownSchema>(keptCharsMax);
  const budget = createCompileBudget(clockMs);
  return {
    async of(accountId, entry) {
      const { code, stored, version } = entry;
      const owner: SchemaOwner = stored === null || stored.shared ? "shared" : accountId;
      const key = `${stored?.id ?? code} ${version}`;
      const known = kept.get(owner, key);
      if (known !== undefined) return known;
      const json = (await catalog.texts(entry))?.schemaJson;
      if (json === undefined) throw new Error(`the event type ${code} has no texts`);
      const read: KnownSchema = { owner, key, json, isSmall: isSmall(json), calls: 0, matches: undefined };
      kept.set(owner, key, read, json);
      return read;
    },
    compileHere(accountId, schemas) {
      for (const schema of schemas) schema.calls += 1;
      const others = schemas.filter(({ matches }) => matches === undefined);
      const next = others.find(({ calls, isSmall }) => calls > CALLS_FIRST && isSmall);
      if (next === undefined) return others.length === 0;
      next.matches = budget.spend(accountId, () => compileMatcher(JSON.parse(next.json) as JsonObject));
      return others.length === 1 && next.matches !== undefined;
    },
  };
}

function isSmall(json: string): boolean {
  return json.length <= CHARS_HERE_MAX && json.split(/[[{]/).length - 1 <= PARTS_HERE_MAX;
}
