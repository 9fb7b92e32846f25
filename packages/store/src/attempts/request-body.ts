const ARRAY_OPEN = Buffer.from("[");
const ARRAY_CLOSE = Buffer.from("]");

/** Returns the body of an event's requests: a JSON array with one item, the snapshot byte for byte. */
export function requestBody(snapshot: Uint8Array): Uint8Array {
  return Buffer.concat([ARRAY_OPEN, snapshot, ARRAY_CLOSE]);
}
