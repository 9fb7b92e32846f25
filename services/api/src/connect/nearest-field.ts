import { createRegistry, type DescFile } from "@bufbuild/protobuf";
import { nearestNames } from "@posthaste/domain";
import { SERVICES } from "./access.ts";

/** Every message that a request can hold. */
const messages = createRegistry(...withImports(SERVICES.map(({ file }) => file)));

/**
 * Returns the field of a message whose name, as JSON has it or as the contracts write it, is most similar to
 * an unknown one.
 *
 * @param typeName the message's full name, such as `posthaste.v1.IngestEventRequest`
 */
export function nearestField(typeName: string, name: string): string | undefined {
  const fields = messages.getMessage(typeName)?.fields ?? [];
  return nearestNames(
    name,
    fields.flatMap(({ jsonName, name }) => [jsonName, name]),
  )[0];
}

function withImports(files: readonly DescFile[]): DescFile[] {
  return files.flatMap((file) => [file, ...withImports(file.dependencies)]);
}
