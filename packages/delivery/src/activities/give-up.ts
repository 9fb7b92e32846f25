import { type DeliveryId, describeOutcome } from "@posthaste/domain";
import type { Log } from "@posthaste/runtime";
import {
  type Attempt,
  type AttemptLedger,
  type AttemptToRecord,
  cancelDelivery,
  cancelOrphan,
  isStoreAway,
  type Orphan,
  type RecordedAttempt,
  type Store,
} from "@posthaste/store";
import { LRUCache } from "lru-cache";
import { patiently } from "./patiently.ts";

/*
 * # Faults that no repetition mends
 *
 * A fault interrupts an attempt, which is then made again, without limit: the database will be back. Two
 * faults would go on for ever, and are ended here instead. The delivery is cancelled with a reason that says
 * what happened, counted in `posthaste_deliveries_given_up_total`, and can be resent or recovered.
 *
 * 1. The delivery has no event or no subscription, so there is nothing to send.
 * 2. The receiver has answered, and the database refuses to record it (a value that does not fit, a broken
 *    constraint). Each repetition would send the request again. So the answer is recorded without all that
 *    may be refused, and if that is refused, too, the delivery is given up. A request whose answer is
 *    refused is therefore sent once. If even giving up is refused, this process remembers the request and
 *    does not send it again; another process may, once.
 *
 * A database that is away or slow refuses nothing: see `patiently.ts`.
 */

/**
 * How many requests without a record a process remembers: some 200 bytes each. There are any only while the
 * database refuses every write to a delivery.
 */
const REMEMBERED_MAX = 10_000;
const unrecorded = new LRUCache<string, Pick<Attempt, "outcome" | "status">>({ max: REMEMBERED_MAX });

/** What an answer's entry in the log says if the answer itself is refused. */
const NOT_STORED = "the database refused the answer's headers and body; see the worker's log";

type Deps = {
  readonly store: Store;
  readonly ledger: AttemptLedger;
  readonly now: () => number | Promise<number>;
  readonly observer?: { readonly gaveUp: (why: "orphaned" | "unrecorded") => void };
};

/** A recorded attempt, or `given_up`: nothing was recorded, and the delivery is cancelled. */
export type Recorded = RecordedAttempt | { readonly kind: "given_up" };

/**
 * Records an attempt whose request was answered. See the top of this file.
 *
 * @throws the error of the database if it is away, or refuses every write to the delivery
 */
export async function recordAnswer(deps: Deps, record: AttemptToRecord, log: Log): Promise<Recorded> {
  const { store, ledger } = deps;
  const isRefused = (error: unknown) => !isStoreAway(store, error);
  try {
    return await patiently(() => ledger.record(record), isRefused);
  } catch (error) {
    if (!isRefused(error)) throw error;
    log.error("attempt.record_refused", error, { outcome: record.attempt.outcome });
  }
  try {
    return await patiently(() => ledger.record({ ...record, attempt: bare(record.attempt) }), isRefused);
  } catch (error) {
    if (!isRefused(error)) throw error;
    log.error("attempt.record_refused", error, { outcome: record.attempt.outcome });
  }
  const { deliveryId, attempt } = record;
  unrecorded.set(nameOf(deliveryId, attempt.number), { outcome: attempt.outcome, status: attempt.status });
  await giveUpUnrecorded(deps, deliveryId, attempt.number, log);
  return { kind: "given_up" };
}

/**
 * Gives a delivery up if this process has sent this attempt before, and could neither record it nor give the
 * delivery up.
 *
 * @returns whether it did
 */
export async function giveUpIfSent(
  deps: Deps,
  { deliveryId, number }: { deliveryId: DeliveryId; number: number },
  log: Log,
): Promise<boolean> {
  if (!unrecorded.has(nameOf(deliveryId, number))) return false;
  await giveUpUnrecorded(deps, deliveryId, number, log);
  return true;
}

async function giveUpUnrecorded(deps: Deps, deliveryId: DeliveryId, number: number, log: Log): Promise<void> {
  const name = nameOf(deliveryId, number);
  const answer = unrecorded.get(name);
  const answered =
    answer === undefined
      ? ""
      : `: the receiver ${describeOutcome(answer.outcome, answer.status ?? undefined)}`;
  const reason = `attempt ${number} was sent, but the database refuses to record it${answered}`;
  await patiently(
    async () => cancelDelivery(deps.store, { id: deliveryId, reason, now: await deps.now() }),
    (error) => !isStoreAway(deps.store, error),
  );
  unrecorded.delete(name);
  log.warn("delivery.given_up", { reason });
  deps.observer?.gaveUp("unrecorded");
}

/** Ends a delivery that could not be loaded, if it never can be. */
export async function giveUpOrphan(
  { store, now, observer }: Deps,
  deliveryId: DeliveryId,
  log: Log,
): Promise<Orphan> {
  const orphan = await cancelOrphan(store, { id: deliveryId, now: await now() });
  if (orphan.kind === "cancelled") {
    log.warn("delivery.given_up", { reason: orphan.reason });
    observer?.gaveUp("orphaned");
  }
  return orphan;
}

/** Returns the attempt without all values that come from outside or have no bound of their own. */
function bare(attempt: Attempt): Attempt {
  return {
    ...attempt,
    requestHeaders: [],
    responseHeaders: [],
    responseBody: new Uint8Array(),
    responseTruncated: true,
    address: null,
    detail: NOT_STORED,
    targetUrl: new URL(attempt.targetUrl).origin,
  };
}

function nameOf(deliveryId: DeliveryId, number: number): string {
  return `${deliveryId} ${number}`;
}
