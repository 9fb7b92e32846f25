/** Returns the bytes that are signed: `id.timestamp.body`, with the body's bytes unchanged. */
export function signedContent(
  id: string,
  timestamp: string,
  body: Uint8Array | string,
): Uint8Array<ArrayBuffer> {
  const head = new TextEncoder().encode(`${id}.${timestamp}.`);
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  const content = new Uint8Array(head.length + bytes.length);
  content.set(head);
  content.set(bytes, head.length);
  return content;
}
