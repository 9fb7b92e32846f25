import { type NamesByLength, nearestNames } from "./nearest-names.ts";

/** Matches every event type that platforms ingest, including future ones, but no operational event types. */
export const ALL_EVENT_TYPES = "*";

/** A field of a snapshot by whose value events are found. */
export type EventTypeKey = {
  /** A JSON Pointer (RFC 6901), such as `/InvoiceNumber`. */
  readonly pointer: string;
  /** True: the index keeps its values so that only a holder of the sealing keys can look for one. */
  readonly sensitive: boolean;
};

/** An event type of the catalogue. */
export type EventType = {
  /** The unique code, such as `invoice_sent`. */
  readonly code: string;
  /** What has happened when this event is sent, in one sentence. */
  readonly description: string;
  /** A JSON Schema (2020-12) of the snapshot. */
  readonly schema: Readonly<Record<string, unknown>>;
  /** A sample snapshot: the item of the array that receivers get. */
  readonly sample: Readonly<Record<string, unknown>>;
  /** The fields by whose values its events are found; at most 8. */
  readonly keys: readonly EventTypeKey[];
  /** Posthaste itself raises this event: it cannot be ingested, and `*` does not match it. */
  readonly operational?: true;
};

/** How many similar codes an error message lists. */
const NEAR_MAX = 3;

/** Returns an error message that says that a code is unknown and suggests similar codes, if there are any. */
export function unknownEventTypeMessage(code: string, ...known: readonly NamesByLength[]): string {
  const near = nearestNames(code, ...known).slice(0, NEAR_MAX);
  const hint = near.length === 0 ? "" : `; did you mean ${near.join(", ")}?`;
  return `${JSON.stringify(code.slice(0, 64))} is not an event type in the catalogue${hint}`;
}
