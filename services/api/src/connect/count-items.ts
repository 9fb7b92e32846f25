import { type DescField, getOption, hasOption } from "@bufbuild/protobuf";
import type { ReflectMessage } from "@bufbuild/protobuf/reflect";
import { field as rulesOption } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { Refusal } from "@posthaste/domain";

/**
 * Refuses a request that has more items in a list, or more entries in a map, than its rule allows. Comes
 * before the other rules: their library checks each item and keeps every violation, and millions of empty
 * items fit into a body.
 *
 * @throws Refusal `invalid` for the first list that is too long
 */
export function requireFewItems(message: ReflectMessage, path = ""): void {
  for (const field of message.fields) {
    const name = `${path}${field.name}`;
    if (field.fieldKind === "list" || field.fieldKind === "map") {
      const { size } = message.get(field);
      const max = itemsMax(field);
      if (size <= max) continue;
      const words = `has ${size} items; at most ${max} are allowed`;
      throw new Refusal("invalid", `${name} ${words}`, {
        field: name,
        details: [{ field: name, message: words }],
      });
    }
    if (field.fieldKind === "message" && message.isSet(field))
      requireFewItems(message.get(field), `${name}.`);
  }
}

/** Returns the number of items that a field's rule allows; infinity if it has none. */
export function itemsMax(field: DescField): number {
  if (!hasOption(field, rulesOption)) return Number.POSITIVE_INFINITY;
  const { type: rules } = getOption(field, rulesOption);
  switch (rules.case) {
    case "repeated":
      return Number(rules.value.maxItems) || Number.POSITIVE_INFINITY;
    case "map":
      return Number(rules.value.maxPairs) || Number.POSITIVE_INFINITY;
    default:
      return Number.POSITIVE_INFINITY;
  }
}
