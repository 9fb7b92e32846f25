import type { JsonObject } from "@bufbuild/protobuf";
import type { Catalog, CatalogEntry } from "../catalog.ts";
import { compileSchema, type Validate } from "./compile-schema.ts";

/** Compiled schemas that are kept, by the length of their texts; compiled, one takes some 20 times as much. */
const KEPT_CHARS_MAX = 2 * 1024 * 1024;
/** What even an empty one counts as. */
const EACH_CHARS = 1_024;

/** Compiled schemas of event types' versions. */
export type Validators = {
  /** Of the version that the entry says. */
  of(entry: CatalogEntry): Promise<Validate>;
};

/** Keeps the ones that were used last; a version never changes, so none is ever stale. */
export function createValidators(catalog: Catalog, keptCharsMax = KEPT_CHARS_MAX): Validators {
  const kept = new Map<string, { readonly validate: Validate; readonly chars: number }>();
  let chars = 0;
  return {
    async of(entry) {
      // A stored type's number is its account and its code in one.
      const key = `${entry.stored?.id ?? entry.code} ${entry.version}`;
      const before = kept.get(key);
      if (before !== undefined) {
        kept.delete(key);
        kept.set(key, before);
        return before.validate;
      }
      const texts = await catalog.texts(entry);
      if (texts === undefined) throw new Error(`the event type ${entry.code} has lost a version`);
      const made = {
        validate: compileStored(entry.code, texts.schemaJson),
        chars: EACH_CHARS + texts.schemaJson.length,
      };
      // Another call may have been as fast.
      if (kept.has(key)) return made.validate;
      kept.set(key, made);
      chars += made.chars;
      for (const [oldest, { chars: freed }] of kept) {
        if (chars <= keptCharsMax || oldest === key) break;
        kept.delete(oldest);
        chars -= freed;
      }
      return made.validate;
    },
  };
}

/** It compiled when it was stored, so where it does not any more the fault is ours and not the caller's. */
function compileStored(code: string, schemaJson: string): Validate {
  try {
    return compileSchema(JSON.parse(schemaJson) as JsonObject);
  } catch (cause) {
    throw new Error(`the stored schema of ${code} does not compile`, { cause });
  }
}
