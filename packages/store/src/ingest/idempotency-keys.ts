import type { AccountId, EventId } from "@posthaste/domain";
import { byPrimaryKey } from "../database/by-index.ts";
import { sha256 } from "../database/ids.ts";
import { sharedOrFail } from "../database/lock-rows.ts";
import type { Store } from "../database/store.ts";
import type { Tx } from "../database/transact.ts";

/** The content that an idempotency key stands for. */
export type Content = { readonly eventType: string; readonly data: Uint8Array };

/** A used key, with the event that used it. The event is stored or about to be. */
export type UsedKey = {
  readonly contentHash: Buffer;
  readonly eventId: EventId;
  readonly deliveryCount: number;
  /** Undefined: the event is stored, and its content is read when needed. */
  readonly content?: Content;
};

/** Maximum keys per statement, below SQLite's 32,766 variables. */
const KEYS_AT_ONCE = 500;

/**
 * Returns one text for each key of each account. The hash is stored instead of the key, since the databases
 * disagree on whether trailing spaces count.
 */
export function keyId(accountId: AccountId, keyHash: Buffer): string {
  return `${accountId} ${keyHash.toString("base64")}`;
}

/**
 * Returns which of an account's keys were used before, and keeps them from being deleted.
 *
 * @throws an error of `isLockTimeout` if another transaction has used one and is not committed
 */
export async function readUsedKeys(
  store: Store,
  tx: Tx,
  accountId: AccountId,
  keyHashes: readonly Buffer[],
): Promise<[id: string, used: UsedKey][]> {
  const found: [string, UsedKey][] = [];
  for (let from = 0; from < keyHashes.length; from += KEYS_AT_ONCE) {
    const query = tx
      .selectFrom(byPrimaryKey(store, "idempotency_keys"))
      .selectAll()
      .where("account_id", "=", accountId)
      .where("key_hash", "in", keyHashes.slice(from, from + KEYS_AT_ONCE));
    const rows = await sharedOrFail(store, query).execute();
    for (const row of rows) {
      found.push([
        keyId(accountId, row.key_hash),
        {
          contentHash: row.content_hash,
          eventId: row.event_id,
          deliveryCount: row.delivery_count,
        },
      ]);
    }
  }
  return found;
}

/**
 * Held keys that are told from the others, by a few statements each. If there are more, all that are not
 * known to be free count as held.
 */
const HELD_TOLD_APART = 16;

/**
 * Returns which of these keys another transaction has used without having committed, after
 * {@link readUsedKeys} has failed for them. The transaction must then be rolled back: the database may have
 * done so already.
 */
export async function heldKeysOf(
  store: Store,
  tx: Tx,
  accountId: AccountId,
  keyHashes: readonly Buffer[],
): Promise<Buffer[]> {
  const held: Buffer[] = [];
  const search = async (some: readonly Buffer[]): Promise<void> => {
    if (some.length === 0) return;
    if (held.length >= HELD_TOLD_APART) return void held.push(...some);
    try {
      await readUsedKeys(store, tx, accountId, some);
    } catch (error) {
      if (!store.seam.isLockTimeout(error)) throw error;
      if (some.length === 1) return void held.push(...some);
      const middle = Math.ceil(some.length / 2);
      await search(some.slice(0, middle));
      await search(some.slice(middle));
    }
  };
  await search(keyHashes);
  return held;
}

/** Returns the hash that is stored with a key. */
export function contentHash({ eventType, data }: Content): Buffer {
  return sha256(`${eventType}\n`, data);
}
