/** What a field or an item takes beside its text or its bytes, at most: a tag, and a length or a number. */
const FIELD_BYTES = 16;

/**
 * Returns about how many bytes a message takes once it is encoded, rather too many. To encode it for that
 * would cost ten times as much.
 *
 * @param enough it looks no further once it has found more
 */
export function encodedSize(value: unknown, enough = Number.POSITIVE_INFINITY): number {
  if (typeof value === "string") return FIELD_BYTES + Buffer.byteLength(value);
  if (value instanceof Uint8Array) return FIELD_BYTES + value.byteLength;
  if (typeof value !== "object" || value === null) return FIELD_BYTES;
  let bytes = FIELD_BYTES;
  for (const name in value) {
    if (bytes > enough) break;
    // Every message knows its type, which is not encoded.
    if (name === "$typeName") continue;
    // The names of a map are encoded, too.
    bytes += Buffer.byteLength(name) + encodedSize(value[name as keyof typeof value], enough - bytes);
  }
  return bytes;
}
