import {
  type AccountId,
  EVENT_DATA_BYTES_MAX,
  parseEventData,
  plainText,
  Refusal,
  readKeyValues,
  requireUnicode,
} from "@posthaste/domain";
import {
  type EventToIngest,
  hashKeyValues,
  type IngestCall,
  type IngestedEvent,
  type InTurn,
  type Store,
} from "@posthaste/store";
import { requireIngestible } from "../catalog/require-event-type.ts";
import { checkEvents, type EventChecks, type EventToCheck } from "../catalog/schema/check-events.ts";
import type { Violation } from "../catalog/schema/violations.ts";

/** An event as a caller sends it. */
export type IncomingEvent = {
  readonly eventType: string;
  /** The snapshot as JSON text. */
  readonly json: string;
  /** The request field that held the snapshot. */
  readonly jsonField: string;
  /** Empty for none. */
  readonly idempotencyKey: string;
  /** The prefix of field names in refusals, such as `events[3].`. */
  readonly path: string;
};

/** A stored event with its schema violations, if the account asks for warnings. */
export type AcceptedEvent = IngestedEvent & { readonly warnings: readonly Violation[] };

/** The dependencies of {@link ingest}. */
export type IngestParts = EventChecks & {
  readonly store: Store;
  /** Stores the events of one call, all or none. */
  readonly ingest: (call: IngestCall & { readonly inTurn: InTurn }) => Promise<IngestedEvent[]>;
  /** Maximum deliveries created within one call; the worker creates the rest. */
  readonly fanOutMax: number;
  /** Tells the workers that deliveries are pending. */
  readonly nudge: () => void;
  readonly now: () => number;
};

export type IngestOptions = {
  /** The account in whose turns the call waits for a check of schemas and for a commit. */
  readonly chargedTo: AccountId;
  /** Compares the contents of used keys in the account's turns of the event loop. */
  readonly inTurn: InTurn;
  readonly traceparent?: string | undefined;
  readonly signal?: AbortSignal | undefined;
};

/**
 * Checks events, stores all or none of them, and nudges the workers.
 *
 * @throws Refusal naming the field at fault; the signal's reason, if it ends the wait for a check of schemas
 */
export async function ingest(
  parts: IngestParts,
  accountId: AccountId,
  incoming: readonly IncomingEvent[],
  { chargedTo, inTurn, traceparent, signal }: IngestOptions,
): Promise<AcceptedEvent[]> {
  const { store, catalog } = parts;
  // Snapshots are checked in the turn in which the call was decoded, so before anything is waited for.
  const checked = incoming.map((event) => ({ event, ...check(event) }));
  const events: (EventToIngest & EventToCheck)[] = [];
  for (const { event, ...fields } of checked) {
    const entry = await requireIngestible(catalog, accountId, event.eventType, `${event.path}event_type`);
    const keyHashes = await hashKeyValues(store, accountId, readKeyValues(fields.json, entry.keys));
    events.push({ ...fields, entry, eventType: entry.code, keyHashes });
  }
  const warnings = await checkEvents(parts, accountId, events, { chargedTo, signal });
  const results = await parts.ingest({
    accountId,
    chargedTo,
    events,
    deliveriesMax: parts.fanOutMax,
    now: parts.now(),
    traceparent,
    inTurn,
  });
  if (results.some((result) => !result.duplicate)) parts.nudge();
  return results.map((result, i) => ({ ...result, warnings: warnings[i] ?? [] }));
}

const KEY_CHARS_MAX = 255;

function check({ json, jsonField, idempotencyKey, path }: IncomingEvent) {
  return {
    json,
    field: jsonField,
    data: checkSnapshot(json, jsonField),
    idempotencyKey:
      idempotencyKey === "" ? null : plainText(idempotencyKey, `${path}idempotency_key`, KEY_CHARS_MAX),
  };
}

/**
 * Checks a snapshot: valid Unicode, within the size limit, a JSON object.
 *
 * @returns its bytes
 * @throws Refusal naming the field
 */
export function checkSnapshot(json: string, field: string): Buffer {
  requireUnicode(json, field);
  const data = Buffer.from(json, "utf8");
  if (data.length > EVENT_DATA_BYTES_MAX) {
    throw new Refusal(
      "too_large",
      `${field} has ${data.length} bytes; at most ${EVENT_DATA_BYTES_MAX} are allowed`,
      {
        reason: "SNAPSHOT_TOO_LARGE",
        metadata: { limit: String(EVENT_DATA_BYTES_MAX) },
        field,
      },
    );
  }
  parseEventData(json, field);
  return data;
}
