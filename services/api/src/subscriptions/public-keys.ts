/** Where public keys are found: with the other well-known things (RFC 8615), whatever the gateway is called. */
export const PUBLIC_KEYS_PREFIX = "/.well-known/webhook-keys";

/** The path of a subscription's public keys, on this API. */
export function publicKeysPath(keySet: string): string {
  return `${PUBLIC_KEYS_PREFIX}/${keySet}`;
}
