import {
  createRegistry,
  type DescEnum,
  type DescField,
  type DescFile,
  type DescMessage,
} from "@bufbuild/protobuf";
import { namesByLength, nearestNames } from "@posthaste/domain";
import { SERVICES } from "./access.ts";

/** Everything that a request can hold. */
const registry = createRegistry(...withImports(SERVICES.map(({ file }) => file)));

/** How many values of an enum an answer names. */
const VALUES_NAMED_MAX = 12;

/**
 * Returns the field of a message whose name, as JSON has it or as the contracts write it, is most similar to
 * an unknown one.
 *
 * @param typeName the message's full name, such as `posthaste.v1.IngestEventRequest`
 */
export function nearestField(typeName: string, name: string): string | undefined {
  const fields = registry.getMessage(typeName)?.fields ?? [];
  return nearestNames(name, namesByLength(fields.flatMap(({ jsonName, name }) => [jsonName, name])))[0];
}

/** Returns the names of a message's fields, as JSON has them. */
export function fieldsOf(typeName: string): readonly string[] {
  return registry.getMessage(typeName)?.fields.map(({ jsonName }) => jsonName) ?? [];
}

/** Returns the names of a request's fields, at any depth, that hold a message or enum of this type. */
export function fieldsOfType(request: DescMessage, typeName: string): readonly string[] {
  const found = fieldsWithin(request).filter((field) => typeOf(field)?.typeName === typeName);
  return [...new Set(found.map(({ name }) => name))];
}

/** Returns the values that a caller can choose from, as JSON has them; none if there is no such enum. */
export function valuesOf(enumName: string): readonly string[] {
  const chosen = registry.getEnum(enumName)?.values.filter(({ number }) => number !== 0) ?? [];
  const names = chosen.slice(0, VALUES_NAMED_MAX).map(({ name }) => name);
  return names.length < chosen.length ? [...names, "…"] : names;
}

/** Writes names as "A, B or C". */
export function oneOf(names: readonly string[]): string {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
}

function fieldsWithin(message: DescMessage, seen = new Set<DescMessage>()): DescField[] {
  if (seen.has(message)) return [];
  seen.add(message);
  return message.fields.flatMap((field) => {
    const type = typeOf(field);
    return [field, ...(type?.kind === "message" ? fieldsWithin(type, seen) : [])];
  });
}

/** The type of a field, of a list's items or of a map's values; undefined for scalars. */
function typeOf(field: DescField): DescMessage | DescEnum | undefined {
  return field.message ?? field.enum;
}

function withImports(files: readonly DescFile[]): DescFile[] {
  return files.flatMap((file) => [file, ...withImports(file.dependencies)]);
}
