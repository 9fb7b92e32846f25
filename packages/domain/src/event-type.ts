import { closest, distance } from "fastest-levenshtein";

/** Stands for every event type that platforms send, also those added later; not for operational ones. */
export const ALL_EVENT_TYPES = "*";

/** A catalogue entry. */
export type EventType = {
  /** Its code, such as `invoice_sent`. */
  readonly code: string;
  /** What happened when this event is sent, in one sentence. */
  readonly description: string;
  /** A JSON Schema (2020-12) of the snapshot. */
  readonly schema: Readonly<Record<string, unknown>>;
  /** A snapshot as a receiver finds it inside the array. */
  readonly sample: Readonly<Record<string, unknown>>;
  /** Raised by Posthaste itself: nobody ingests it, and `*` leaves it out. */
  readonly operational?: true;
};

/** How many near names an error lists: enough to spot a slip, few enough to read. */
const NEAR_MAX = 3;

/** The known codes nearest to one that is not known, nearest first; for error messages. */
export function nearestCodes(code: string, known: readonly string[]): string[] {
  if (known.length === 0) return [];
  const reach = Math.max(3, distance(code, closest(code, known)));
  return known
    .map((candidate) => ({ candidate, far: distance(code, candidate) }))
    .filter(({ far }) => far <= reach)
    .sort((a, b) => a.far - b.far || (a.candidate < b.candidate ? -1 : 1))
    .slice(0, NEAR_MAX)
    .map(({ candidate }) => candidate);
}

/** Says that a code is unknown and what may have been meant. */
export function unknownEventTypeMessage(code: string, known: readonly string[]): string {
  const near = nearestCodes(code.slice(0, 64), known);
  const hint = near.length === 0 ? "" : `; did you mean ${near.join(", ")}?`;
  return `${JSON.stringify(code.slice(0, 64))} is not an event type of the catalogue${hint}`;
}
