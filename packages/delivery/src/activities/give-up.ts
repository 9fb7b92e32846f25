import { type AccountId, type DeliveryId, describeOutcome } from "@posthaste/domain";
import type { Log } from "@posthaste/runtime";
import {
  type Attempt,
  type AttemptLedger,
  type AttemptToRecord,
  cancelDelivery,
  cancelOrphan,
  getDelivery,
  isRowRefused,
  type Orphan,
  type RecordedAttempt,
  type Store,
} from "@posthaste/store";
import { LRUCache } from "lru-cache";
import { patiently } from "./patiently.ts";

/*
 * # Faults after the answer, and faults that no repetition mends
 *
 * A fault interrupts an attempt, which is then made again, without limit: the database will be back. But a
 * receiver that has answered must not get the request again and again.
 *
 * 1. If the answer cannot be recorded, the process keeps it. When the attempt is made again in this process,
 *    it sends nothing and records the answer that it has; another process may send the request once more.
 * 2. If the database refuses the answer itself (a value that does not fit, a broken constraint), it is
 *    recorded without all that may be refused. If that is refused, too, the delivery is given up: it is
 *    cancelled with a reason that says what happened, counted in `posthaste_deliveries_given_up_total`, and
 *    can be resent or recovered.
 * 3. A delivery without its event or its subscription is given up as well: there is nothing to send.
 */

/**
 * Why a delivery is given up. `orphaned`: it has no event or subscription. `unrecorded`: it was sent, and its
 * answer cannot be recorded.
 */
export const GIVE_UP_REASONS = ["orphaned", "unrecorded"] as const;
export type GiveUpReason = (typeof GIVE_UP_REASONS)[number];

/** What is to be recorded of an attempt whose request was answered. */
export type Answer = AttemptToRecord & {
  readonly accountId: AccountId;
  /** The address that the request may not go to; null: it may. */
  readonly blockedFor: string | null;
};

/**
 * Answers that a process keeps until they are recorded. There are any only while the database is away or
 * broken; beyond this number, a request may be sent once more.
 */
const KEPT_MAX = 10_000;
/** The bytes of the kept answers, whose bodies and headers are up to 16 KiB each. */
const KEPT_BYTES_MAX = 16 * 1024 * 1024;
/** A kept answer without its body and its headers' texts. */
const ENTRY_BYTES = 4_096;
const unrecorded = new LRUCache<string, Answer>({
  max: KEPT_MAX,
  maxSize: KEPT_BYTES_MAX,
  sizeCalculation: ({ attempt }) =>
    attempt.responseHeaders.reduce(
      (bytes, [name, value]) => bytes + name.length + value.length,
      ENTRY_BYTES + attempt.responseBody.byteLength,
    ),
});

/** What an answer's entry in the log says if the answer itself is refused. */
const NOT_STORED = "the database refused the answer's headers and body; see the worker's log";

type Deps = {
  readonly store: Store;
  readonly ledger: AttemptLedger;
  readonly now: () => number | Promise<number>;
  readonly observer?: { readonly gaveUp: (why: GiveUpReason) => void };
};

/** A recorded attempt, or `given_up`: nothing was recorded, and the delivery is cancelled. */
export type Recorded = RecordedAttempt | { readonly kind: "given_up" };

/** Returns the answer of this attempt if this process has its answer, and could not record it. */
export function keptAnswer(deliveryId: DeliveryId, number: number): Answer | undefined {
  return unrecorded.get(nameOf(deliveryId, number));
}

/**
 * Records an attempt whose request was answered. See the top of this file.
 *
 * @throws the error of the database; the answer is kept for the next time
 */
export async function recordAnswer(deps: Deps, answer: Answer, log: Log): Promise<Recorded> {
  const { store, ledger } = deps;
  const { blockedFor: _, ...record } = answer;
  const { deliveryId, attempt } = record;
  const name = nameOf(deliveryId, attempt.number);
  const isRefused = (error: unknown) => isRowRefused(store, error);
  // Until it is recorded, whatever happens next.
  unrecorded.set(name, answer);
  let recorded: Recorded | undefined;
  for (const content of ["whole", "bare"] as const) {
    // Almost every answer is recorded whole.
    const toRecord = content === "whole" ? record : { ...record, attempt: bare(attempt) };
    try {
      recorded = await patiently(() => ledger.record(toRecord), isRefused);
      break;
    } catch (error) {
      if (!isRefused(error)) throw error;
      log.error("attempt.record_refused", error, { outcome: attempt.outcome });
    }
  }
  recorded ??= await giveUpUnrecorded(deps, answer, log);
  unrecorded.delete(name);
  return recorded;
}

async function giveUpUnrecorded(
  deps: Deps,
  { deliveryId: id, accountId, attempt: { number, outcome, status } }: Answer,
  log: Log,
): Promise<Recorded> {
  const answered = describeOutcome(outcome, status ?? undefined);
  const reason = `attempt ${number} was sent, but the database refuses to record it: the receiver ${answered}`;
  const isCancelled = await patiently(
    async () => cancelDelivery(deps.store, { id, reason, number, now: await deps.now() }),
    (error) => isRowRefused(deps.store, error),
  );
  if (!isCancelled) {
    const delivery = await patiently(() => getDelivery(deps.store, { accountId, id }));
    // It ended meanwhile, or another run was recorded; unless only the answer to the cancellation was lost.
    if (delivery?.endedReason !== reason) return { kind: "already_recorded", nextAttemptAt: null };
  }
  log.warn("delivery.given_up", { reason });
  deps.observer?.gaveUp("unrecorded");
  return { kind: "given_up" };
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
