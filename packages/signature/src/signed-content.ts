import { bytesOfBody } from "./webhook-input.ts";

/** A timestamp: seconds since the epoch. One in microseconds has more digits. */
export const TIMESTAMP = /^\d{1,12}$/;

/**
 * Returns the bytes that are signed: `id.timestamp.body`, with the body's bytes unchanged.
 *
 * @throws SignatureError `bad_body`
 */
export function signedContent(id: string, timestamp: string, body: unknown): Uint8Array<ArrayBuffer> {
  const head = new TextEncoder().encode(`${id}.${timestamp}.`);
  const bytes = bytesOfBody(body);
  const content = new Uint8Array(head.length + bytes.length);
  content.set(head);
  content.set(bytes, head.length);
  return content;
}
