import type { JsonObject } from "@bufbuild/protobuf";
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
  const kept = new Map<string, { readonly validate: Validate; readonly chars: number }>();
  let chars = 0;
  return {
    async of(entry) {
      // A stored type's id stands for both its account and its code.
      const key = `${entry.stored?.id ?? entry.code} ${entry.version}`;
      const cached = kept.get(key);
      if (cached !== undefined) {
        kept.delete(key);
        kept.set(key, cached);
        return cached.validate;
      }
      const texts = await catalog.texts(entry);
      if (texts === undefined) throw new Error(`the event type ${entry.code} has no texts`);
      const added = {
        validate: compileStored(entry.code, texts.schemaJson),
        chars: EACH_CHARS + texts.schemaJson.length,
      };
      // A concurrent call may have added the schema already.
      if (kept.has(key)) return added.validate;
      kept.set(key, added);
      chars += added.chars;
      for (const [oldest, { chars: freed }] of kept) {
        if (chars <= keptCharsMax || oldest === key) break;
        kept.delete(oldest);
        chars -= freed;
      }
      return added.validate;
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
