import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { EVENT_DATA_DEPTH_MAX, Refusal, requireUnicode } from "@posthaste/domain";

/** Longest path a refusal quotes. */
const PATH_CHARS_MAX = 80;

/**
 * Returns the JSON text of a `google.protobuf.Struct`. Its numbers are doubles, so two kinds are refused
 * rather than passed on changed: a whole number beyond ±(2^53 − 1) may have lost its last digits, and JSON
 * cannot express infinity (`1e400` is read as infinite and would be written as `null`).
 *
 * @throws Refusal `invalid`, naming the path
 */
export function structJson(struct: JsonObject, field: string): string {
  check(struct, field, 0);
  return JSON.stringify(struct);
}

function check(value: JsonValue, path: string, depth: number): void {
  if (depth > EVENT_DATA_DEPTH_MAX) {
    throw refuse(path, `nests deeper than ${EVENT_DATA_DEPTH_MAX} levels; send a flatter snapshot`);
  }
  if (typeof value === "number") checkNumber(value, path);
  else if (typeof value === "string") checkText(value, path);
  else if (Array.isArray(value)) {
    value.forEach((item, i) => {
      check(item, `${path}[${i}]`, depth + 1);
    });
  } else if (typeof value === "object" && value !== null) {
    for (const [key, member] of Object.entries(value)) {
      checkText(key, path);
      check(member, `${path}.${key}`, depth + 1);
    }
  }
}

function checkNumber(value: number, path: string): void {
  if (!Number.isFinite(value)) {
    throw refuse(path, "is not a number that JSON can hold; send a finite number, or data_json instead");
  }
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw refuse(
      path,
      "is a whole number beyond 2^53, which a Struct cannot hold exactly; send data_json instead",
    );
  }
}

function checkText(text: string, path: string): void {
  requireUnicode(text, shortened(path));
}

function shortened(path: string): string {
  return path.length > PATH_CHARS_MAX ? `${path.slice(0, PATH_CHARS_MAX)}…` : path;
}

function refuse(path: string, what: string): Refusal {
  const place = shortened(path);
  return new Refusal("invalid", `${place} ${what}`, { field: place });
}
