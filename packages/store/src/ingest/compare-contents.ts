import { canonicalEventData, EVENT_DATA_BYTES_MAX, type EventId, Refusal } from "@posthaste/domain";
import { sha256 } from "../database/ids.ts";
import type { Store } from "../database/store.ts";
import { type Content, contentHash, type UsedKey } from "./idempotency-keys.ts";
import type { IngestCall, IngestedEvent, InTurn } from "./ingest-call.ts";

/*
 * # A used key with other bytes
 *
 * The hash that is stored with a key is of the bytes as received. Nearly every repetition sends the same
 * bytes and needs no more. Only different bytes are parsed, together with the stored event's, and compared as
 * canonical JSON. A few bytes may ask for that of a megabyte, which takes tenths of a second. So it is never
 * done in a transaction, which other accounts share: the call leaves the transaction without a trace, its
 * contents are compared in its account's turns, and then it is ingested again.
 */

/** A used key that came with other bytes. */
export type ContentPair = {
  /** Which event of the call it is. */
  readonly index: number;
  readonly used: UsedKey;
  readonly content: Content;
};

/** Stands for the result of a call with contents that must be compared first. Nothing was stored. */
export class Uncompared {
  readonly pairs: readonly ContentPair[];

  constructor(pairs: readonly ContentPair[]) {
    this.pairs = pairs;
  }
}

/** Returns whether a used key's content is known to be the same as new content. */
export function isKnownSame(used: UsedKey, content: Content, { same }: IngestCall): boolean {
  const hash = contentHash(content);
  return used.contentHash.equals(hash) || same?.has(pairOf(used.contentHash, hash)) === true;
}

/** Returns one text for each pair of contents, by their hashes. */
export function pairOf(first: Buffer, second: Buffer): string {
  return `${first.toString("base64")} ${second.toString("base64")}`;
}

/**
 * Ingests a call again and again until no content has to be compared: mostly once, seldom twice, and more
 * often only if others use or lose its keys meanwhile.
 *
 * @throws Refusal `already_exists` if a key was used with different content
 */
export async function comparing(
  store: Store,
  call: IngestCall,
  ingest: (call: IngestCall) => Promise<IngestedEvent[] | Uncompared>,
): Promise<IngestedEvent[]> {
  const same = new Set<string>();
  for (;;) {
    const ingested = await ingest({ ...call, same });
    if (!(ingested instanceof Uncompared)) return ingested;
    const canonicalHash = createCanonicalHashes(call.inTurn);
    for (const { index, used, content } of ingested.pairs) {
      const hash = contentHash(content);
      const second = await canonicalHash(hash, async () => content);
      const first = await canonicalHash(used.contentHash, () => contentOf(store, used, call.inTurn));
      if (first === undefined) throw keyTaken("gone", index, call.events.length);
      if (second === undefined || !first.equals(second)) throw keyTaken("other", index, call.events.length);
      same.add(pairOf(used.contentHash, hash));
    }
  }
}

/** Returns a function that makes the hash of a content's canonical form, once for each content. */
function createCanonicalHashes(inTurn: InTurn = atOnce) {
  const known = new Map<string, Buffer>();
  return async (hash: Buffer, read: () => Promise<Content | undefined>): Promise<Buffer | undefined> => {
    const id = hash.toString("base64");
    const before = known.get(id);
    if (before !== undefined) return before;
    const content = await read();
    if (content === undefined) return undefined;
    const canonical = await inTurn(content.data.byteLength, () => sha256(canonicalOf(content)));
    known.set(id, canonical);
    return canonical;
  };
}

const atOnce: InTurn = async (_bytes, compute) => await compute();

function canonicalOf({ eventType, data }: Content): string {
  return `${eventType}\n${canonicalEventData(Buffer.from(data).toString("utf8"))}`;
}

/** Returns the content that a key was used with; undefined if its event was erased or deleted for its age. */
async function contentOf(
  store: Store,
  { content, eventId }: UsedKey,
  inTurn: InTurn = atOnce,
): Promise<Content | undefined> {
  // How long the stored text is, is not known before it was read.
  return content ?? (await inTurn(EVENT_DATA_BYTES_MAX, () => readContent(store, eventId)));
}

async function readContent({ db }: Store, eventId: EventId): Promise<Content | undefined> {
  const row = await db
    .selectFrom("events")
    .select(["event_type", "data"])
    .where("id", "=", eventId)
    .executeTakeFirst();
  return row && { eventType: row.event_type, data: row.data };
}

function keyTaken(how: "other" | "gone", index: number, count: number): Refusal {
  const field = count === 1 ? "idempotency_key" : `events[${index}].idempotency_key`;
  const words =
    how === "other"
      ? "was used before with different content"
      : "was used before with different bytes, for an event that has been deleted, so the contents cannot be compared";
  return new Refusal("already_exists", `${field} ${words}; use a new key for a new event`, {
    reason: "IDEMPOTENCY_KEY_REUSED",
    field,
  });
}
