import { canonicalEventData, EVENT_DATA_BYTES_MAX, type EventId, Refusal } from "@posthaste/domain";
import { LRUCache } from "lru-cache";
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

/** Ingests a call until no content has to be compared; see {@link createComparing}. */
export type Comparing = (
  call: IngestCall,
  ingest: (call: IngestCall) => Promise<IngestedEvent[] | Uncompared>,
) => Promise<IngestedEvent[]>;

/**
 * Creates what ingests a call again and again until no content has to be compared: mostly once, seldom twice,
 * and more often only if others use or lose its keys meanwhile. It throws a Refusal `already_exists` if a key
 * was used with different content.
 */
export function createComparing(store: Store): Comparing {
  const canonicalHash = createCanonicalHashes();
  return async (call, ingest) => {
    const { inTurn = givingWay } = call;
    const same = new Set<string>();
    const gone = new Set<EventId>();
    for (;;) {
      const ingested = await ingest({ ...call, same });
      if (!(ingested instanceof Uncompared)) return ingested;
      for (const { index, used, content } of ingested.pairs) {
        const hash = contentHash(content);
        const second = await canonicalHash(hash, async () => content, inTurn);
        const first = await canonicalHash(used.contentHash, () => contentOf(store, used, inTurn), inTurn);
        if (first === undefined) {
          // The key may have expired with its event while this waited. If not, it comes again.
          if (gone.has(used.eventId)) throw keyTaken("gone", index, call.events.length);
          gone.add(used.eventId);
          break;
        }
        if (second === undefined || !first.equals(second)) throw keyTaken("other", index, call.events.length);
        same.add(pairOf(used.contentHash, hash));
      }
    }
  };
}

/**
 * Hashes of canonical forms that are kept, so that a content is not parsed for each call that comes with its
 * key. Each takes about 300 bytes of memory.
 */
const KEPT_HASHES = 1_000;

/** Returns a function that makes the hash of a content's canonical form, or returns the one that it kept. */
function createCanonicalHashes() {
  const kept = new LRUCache<string, Buffer>({ max: KEPT_HASHES });
  return async (
    hash: Buffer,
    read: () => Promise<Content | undefined>,
    inTurn: InTurn,
  ): Promise<Buffer | undefined> => {
    const id = hash.toString("base64");
    const before = kept.get(id);
    if (before !== undefined) return before;
    const content = await read();
    if (content === undefined) return undefined;
    return await inTurn(content.data.byteLength, () => {
      // Another call may have made it while this one waited for its turn.
      const canonical = kept.get(id) ?? sha256(canonicalOf(content));
      kept.set(id, canonical);
      return canonical;
    });
  };
}

/** Lets everything go first that is ready. */
const givingWay: InTurn = async (_bytes, compute) => {
  await new Promise(setImmediate);
  return await compute();
};

function canonicalOf({ eventType, data }: Content): string {
  return `${eventType}\n${canonicalEventData(Buffer.from(data).toString("utf8"))}`;
}

/** Returns the content that a key was used with; undefined if its event was erased or deleted for its age. */
async function contentOf(
  store: Store,
  { content, eventId }: UsedKey,
  inTurn: InTurn,
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
