import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { EVENT_DATA_DEPTH_MAX, Refusal } from "@posthaste/domain";

/**
 * The JSON text of a `google.protobuf.Struct`. Its numbers are doubles: a whole number beyond ±(2^53 − 1) has lost
 * its last digits on the way, perhaps, so it is refused rather than passed on.
 *
 * @throws Refusal `invalid`, naming the place
 */
export function structJson(struct: JsonObject, field: string): string {
  check(struct, field, 0);
  return JSON.stringify(struct);
}

function check(value: JsonValue, field: string, depth: number): void {
  if (depth > EVENT_DATA_DEPTH_MAX) {
    throw new Refusal("invalid", `${field.slice(0, 80)}… nests deeper than ${EVENT_DATA_DEPTH_MAX} levels`, {
      field: field.slice(0, 80),
    });
  }
  if (typeof value === "number") {
    if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
      throw new Refusal(
        "invalid",
        `${field} is a whole number beyond 2^53, which a Struct cannot hold exactly; send data_json instead`,
        { field },
      );
    }
  } else if (Array.isArray(value)) {
    value.forEach((item, i) => {
      check(item, `${field}[${i}]`, depth + 1);
    });
  } else if (typeof value === "object" && value !== null) {
    for (const [key, member] of Object.entries(value)) check(member, `${field}.${key}`, depth + 1);
  }
}
