/** How the built-in catalogue writes its schemas: short, in one way. */

export type Property = Readonly<Record<string, unknown>> & { readonly description: string };

/** A property's value; null where it is not known. */
export function text(description: string, rules: Readonly<Record<string, unknown>> = {}): Property {
  return { description, type: ["string", "null"], ...rules };
}
export function id(description: string): Property {
  return { description, type: "integer", minimum: 1 };
}
export function reference(description: string): Property {
  return { description, type: ["integer", "null"], minimum: 1 };
}
export function amount(description: string): Property {
  return { description, type: ["number", "null"] };
}
export function flag(description: string): Property {
  return { description, type: "boolean" };
}
export function date(description: string): Property {
  return { description, type: ["string", "null"], format: "date" };
}
export function time(description: string): Property {
  return { description, type: ["string", "null"], format: "date-time" };
}
export function url(description: string): Property {
  return { description, type: ["string", "null"], format: "uri" };
}
export function list(description: string, items: Readonly<Record<string, unknown>>): Property {
  return { description, type: "array", items };
}
export function object(
  description: string,
  properties: Readonly<Record<string, Property>>,
  required: readonly string[] = [],
): Property {
  return { description, type: "object", properties, required };
}

/**
 * A JSON Schema (2020-12) of a snapshot. Platforms may add fields, so unknown ones are allowed.
 */
export function snapshotSchema(
  title: string,
  required: readonly string[],
  properties: Readonly<Record<string, Property>>,
): Readonly<Record<string, unknown>> {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title,
    type: "object",
    required,
    properties,
  };
}
