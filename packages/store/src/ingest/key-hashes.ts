import { createHmac } from "node:crypto";
import type { AccountId, KeyValue } from "@posthaste/domain";
import { sha256 } from "../database/ids.ts";
import type { Store } from "../database/store.ts";

/*
 * The index of keys (`event_keys`) holds hashes instead of values: all entries have one small size, no
 * collation decides what is equal, and the values stand in the snapshots alone. A hash includes the account,
 * so that equal values of two accounts cannot be told to be equal.
 *
 * Who has the database may try all telephone numbers. The hashes of sensitive values are therefore keyed with
 * a secret that is sealed.
 */

/**
 * Half of a SHA-256 hash. Among 10^12 values of one account, two meet with a probability of 10^-14, so what
 * is found is not compared with the snapshot. Who makes two values meet, in 2^64 steps, finds one more event
 * of their own.
 */
const HASH_BYTES = 16;

/** Returns the hashes of values at keys, each once. It takes a connection for the first sensitive value. */
export async function hashKeyValues(
  store: Pick<Store, "keySecret">,
  accountId: AccountId,
  values: readonly KeyValue[],
): Promise<Buffer[]> {
  const needsSecret = values.some(({ sensitive }) => sensitive);
  return hashesOf(accountId, values, needsSecret ? await store.keySecret() : undefined);
}

/** @param secret undefined: no value is sensitive */
export function hashesOf(accountId: AccountId, values: readonly KeyValue[], secret?: Buffer): Buffer[] {
  const hashes = new Map<string, Buffer>();
  for (const { value, sensitive } of values) {
    const text = `${accountId} ${value}`;
    const hash = (sensitive ? keyed(text, secret) : sha256(text)).subarray(0, HASH_BYTES);
    hashes.set(hash.toString("base64"), hash);
  }
  return [...hashes.values()];
}

function keyed(text: string, secret: Buffer | undefined): Buffer {
  if (secret === undefined) throw new Error("a sensitive value needs the installation's secret");
  return createHmac("sha256", secret).update(text).digest();
}
