import type { DeliveryId } from "@posthaste/domain";
import type { AttemptContext, AttemptLedger } from "@posthaste/store";

const ARRAY_OPEN = Buffer.from("[");
const ARRAY_CLOSE = Buffer.from("]");

/** All data that an attempt needs, with the request's body instead of the snapshot. */
export type LoadedAttempt = Omit<AttemptContext, "event"> & {
  readonly event: Pick<AttemptContext["event"], "id" | "type">;
  /** A JSON array with exactly one item, the snapshot byte for byte as ingested. */
  readonly body: Uint8Array;
};

/**
 * Loads what an attempt needs; undefined: see `AttemptLedger.load`.
 *
 * The body is built here, where nothing refers to the snapshot afterwards. Both together would take 2 MiB of
 * the worker's memory for as long as a receiver does not read a snapshot of 1 MiB.
 */
export async function loadAttempt(
  { ledger, now }: { ledger: AttemptLedger; now: () => number | Promise<number> },
  deliveryId: DeliveryId,
): Promise<LoadedAttempt | undefined> {
  const context = await ledger.load(deliveryId, await now());
  if (context === undefined) return undefined;
  const { id, type, data } = context.event;
  return { ...context, event: { id, type }, body: Buffer.concat([ARRAY_OPEN, data, ARRAY_CLOSE]) };
}
