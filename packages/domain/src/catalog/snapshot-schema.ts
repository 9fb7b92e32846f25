import type { EventTypeKey } from "../event-type.ts";

/** Builders for the schemas and keys of the built-in catalogue. */

export type Property = Readonly<Record<string, unknown>> & { readonly description: string };

/** Describes a string, or null if the value is not known. */
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
 * Returns the JSON Schema (2020-12) of a snapshot. It allows unknown fields, since platforms may add some.
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

/** Makes fields of a snapshot keys, by their names: what identifies it, and what it belongs to. */
export function keys(...names: readonly string[]): EventTypeKey[] {
  return names.map((name) => ({ pointer: `/${name}`, sensitive: false }));
}
/** The same for personal data. */
export function sensitiveKeys(...names: readonly string[]): EventTypeKey[] {
  return keys(...names).map(({ pointer }) => ({ pointer, sensitive: true }));
}
