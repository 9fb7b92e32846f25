/** The path of all public keys: a well-known URI (RFC 8615), independent of the gateway's paths. */
const PUBLIC_KEYS_PREFIX = "/.well-known/webhook-keys";

/** Returns the path of a subscription's public keys on this API. */
export function publicKeysPath(keySet: string): string {
  return `${PUBLIC_KEYS_PREFIX}/${keySet}`;
}
