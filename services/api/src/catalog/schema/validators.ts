import type { JsonObject } from "@bufbuild/protobuf";
import { LRUCache } from "lru-cache";
import type { Catalog, CatalogEntry } from "../catalog.ts";
import { compileSchema, type Validate } from "./compile-schema.ts";

/**
 * Total length of the cached schemas' texts. A compiled schema takes about 20 times the memory of its text.
 */
const KEPT_CHARS_MAX = 2 * 1024 * 1024;
/** Characters counted for each schema in addition to its text. */
const EACH_CHARS = 1_024;

/** Caches the compiled schemas of event types' versions. */
export type Validators = {
  /** Returns the compiled schema of the entry's version. */
  of(entry: CatalogEntry): Promise<Validate>;
};

/** Caches the schemas used most recently. A version never changes, so no entry is ever stale. */
export function createValidators(catalog: Catalog, keptCharsMax = KEPT_CHARS_MAX): Validators {
  const kept = new LRUCache<string, Validate>({ maxSize: keptCharsMax });
  return {
    async of(entry) {
      // A stored type's id stands for both its account and its code.
      const key = `${entry.stored?.id ?? entry.code} ${entry.version}`;
      const cached = kept.get(key);
      if (cached !== undefined) return cached;
      const texts = await catalog.texts(entry);
      if (texts === undefined) throw new Error(`the event type ${entry.code} has no texts`);
      const validate = compileStored(entry.code, texts.schemaJson);
      kept.set(key, validate, { size: EACH_CHARS + texts.schemaJson.length });
      return validate;
    },
  };
}

/** Compiles a stored schema. It compiled when it was stored, so a failure now is a fault, not a refusal. */
function compileStored(code: string, schemaJson: string): Validate {
  try {
    return compileSchema(JSON.parse(schemaJson) as JsonObject);
  } catch (cause) {
    throw new Error(`the stored schema of ${code} does not compile`, { cause });
  }
}
