import { type AccountId, canonicalEventData, type EventId } from "@posthaste/domain";
import { sha256 } from "../database/ids.ts";
import type { Tx } from "../database/transact.ts";

/** What a key is compared by. */
export type Content = { readonly eventType: string; readonly data: Uint8Array };

/** A key that was used, by an event that is stored or about to be. */
export type UsedKey = {
  readonly contentHash: Buffer;
  readonly eventId: EventId;
  readonly deliveryCount: number;
  /** Undefined: stored, and read where it is needed. */
  readonly content?: Content;
};

/** Keys of one statement: below SQLite's 32,766 variables. */
const KEYS_AT_ONCE = 500;

/** One text for each key of each account. The hash is what is stored: databases disagree on whether trailing spaces count. */
export function keyId(accountId: AccountId, keyHash: Buffer): string {
  return `${accountId} ${keyHash.toString("base64")}`;
}

/** Those of an account's keys that were used before. */
export async function readUsedKeys(
  tx: Tx,
  accountId: AccountId,
  keyHashes: readonly Buffer[],
): Promise<[id: string, used: UsedKey][]> {
  const found: [string, UsedKey][] = [];
  for (let from = 0; from < keyHashes.length; from += KEYS_AT_ONCE) {
    const rows = await tx
      .selectFrom("idempotency_keys")
      .selectAll()
      .where("account_id", "=", accountId)
      .where("key_hash", "in", keyHashes.slice(from, from + KEYS_AT_ONCE))
      .execute();
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

/** What is stored with a key. */
export function contentHash({ eventType, data }: Content): Buffer {
  return sha256(`${eventType}\n`, data);
}

/**
 * Whether a key is used again for the content it was used for, as canonical JSON. `gone`: the bytes differ, and the event
 * that would tell whether the content does was erased or deleted for its age.
 *
 * The stored hash is of the bytes as they came, so that nobody pays for a canonical form who does not need it: nearly
 * every repetition is the same bytes again. Only other bytes are parsed, theirs and the stored event's. Keys of before
 * have the hash of the canonical form, which is compared, too. The two cannot be confused: a canonical form is itself
 * JSON with that content, so bytes that are equal to it have it, too.
 */
export async function compareContent(
  tx: Tx,
  used: UsedKey,
  again: Content,
): Promise<"same" | "other" | "gone"> {
  if (used.contentHash.equals(contentHash(again))) return "same";
  const canonical = canonicalOf(again);
  if (used.contentHash.equals(sha256(canonical))) return "same";
  const first = used.content ?? (await readContent(tx, used.eventId));
  if (first === undefined) return "gone";
  return canonicalOf(first) === canonical ? "same" : "other";
}

function canonicalOf({ eventType, data }: Content): string {
  return `${eventType}\n${canonicalEventData(Buffer.from(data).toString("utf8"))}`;
}

async function readContent(tx: Tx, eventId: EventId): Promise<Content | undefined> {
  const row = await tx
    .selectFrom("events")
    .select(["event_type", "data"])
    .where("id", "=", eventId)
    .executeTakeFirst();
  return row && { eventType: row.event_type, data: row.data };
}
