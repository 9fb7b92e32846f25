import type { JsonObject } from "@bufbuild/protobuf";
import { LRUCache } from "lru-cache";
import type { Catalog, CatalogEntry } from "../catalog.ts";
import { compileMatcher, type Matches } from "./compile-schema.ts";
import { EACH_CHARS, KEPT_CHARS_MAX } from "./kept-chars.ts";

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
  /** Identifies the version. */
  readonly key: string;
  readonly json: string;
  /** The calls that have used it, while it was kept. */
  calls: number;
  /** Set once it is compiled here. */
  matches: Matches | undefined;
};

/** Keeps the schemas used most recently. A version never changes, so no schema is ever stale. */
export type KnownSchemas = { of(entry: CatalogEntry): Promise<KnownSchema> };

export function createKnownSchemas(catalog: Catalog, keptCharsMax = KEPT_CHARS_MAX): KnownSchemas {
  const kept = new LRUCache<string, KnownSchema>({ maxSize: keptCharsMax });
  return {
    async of(entry) {
      // A stored type's id stands for both its account and its code.
      const key = `${entry.stored?.id ?? entry.code} ${entry.version}`;
      const known = kept.get(key);
      if (known !== undefined) return known;
      const texts = await catalog.texts(entry);
      if (texts === undefined) throw new Error(`the event type ${entry.code} has no texts`);
      const read = { key, json: texts.schemaJson, calls: 0, matches: undefined };
      kept.set(key, read, { size: EACH_CHARS + read.json.length });
      return read;
    },
  };
}

/**
 * Counts a call that uses these schemas, and compiles one of them if it is small and many calls have used it.
 *
 * @returns whether all of them are now compiled here
 */
export function compileHere(schemas: readonly KnownSchema[]): boolean {
  for (const schema of schemas) schema.calls += 1;
  const others = schemas.filter(({ matches }) => matches === undefined);
  const next = others.find(({ calls, json }) => calls > CALLS_FIRST && isSmall(json));
  if (next !== undefined) next.matches = compileMatcher(JSON.parse(next.json) as JsonObject);
  return others.length === (next === undefined ? 0 : 1);
}

function isSmall(json: string): boolean {
  return json.length <= CHARS_HERE_MAX && json.split(/[[{]/).length - 1 <= PARTS_HERE_MAX;
}
