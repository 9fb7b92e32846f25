import { distance } from "fastest-levenshtein";

/** Matches every event type that platforms ingest, including future ones, but no operational event types. */
export const ALL_EVENT_TYPES = "*";

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
  /** Posthaste itself raises this event: it cannot be ingested, and `*` does not match it. */
  readonly operational?: true;
};

/** How many similar codes an error message lists. */
const NEAR_MAX = 3;

/** The part of a code's characters in which a similar code may differ: more are another word, and no slip. */
const SLIPS_PART = 1 / 3;

/**
 * Maximum codes that an unknown one is compared with. A catalogue may have thousands, and comparing two of 64
 * characters takes some ten microseconds.
 */
const COMPARED_MAX = 100;

/**
 * Returns the known codes that differ from an unknown one by a few characters, most similar first. Of many
 * that might, it compares those whose length is most similar.
 */
export function nearestCodes(code: string, known: readonly string[]): string[] {
  const reach = code.length * SLIPS_PART;
  // Codes differ by at least as many characters as their lengths do.
  const leastFar = (candidate: string) => Math.abs(candidate.length - code.length);
  return known
    .filter((candidate) => leastFar(candidate) <= reach)
    .sort((a, b) => leastFar(a) - leastFar(b))
    .slice(0, COMPARED_MAX)
    .map((candidate) => ({ candidate, far: distance(code, candidate) }))
    .filter(({ far }) => far <= reach)
    .sort((a, b) => a.far - b.far || (a.candidate < b.candidate ? -1 : 1))
    .slice(0, NEAR_MAX)
    .map(({ candidate }) => candidate);
}

/** Returns an error message that says that a code is unknown and suggests similar codes, if there are any. */
export function unknownEventTypeMessage(code: string, known: readonly string[]): string {
  const near = nearestCodes(code.slice(0, 64), known);
  const hint = near.length === 0 ? "" : `; did you mean ${near.join(", ")}?`;
  return `${JSON.stringify(code.slice(0, 64))} is not an event type in the catalogue${hint}`;
}
