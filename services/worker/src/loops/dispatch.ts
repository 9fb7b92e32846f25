import type { DeliveryId, Lane, SubscriptionId } from "@posthaste/domain";
import type { Log } from "@posthaste/runtime";
import {
  type Claim,
  type ClaimedDelivery,
  claimDeliveries,
  markStarted,
  releaseClaims,
  type Store,
} from "@posthaste/store";
import type { DirectLane } from "./direct-lane.ts";

export type DispatchOptions = {
  readonly store: Store;
  readonly log: Log;
  readonly now: () => number;
  /** Starts a delivery's workflow; starting twice is harmless. */
  readonly start: (delivery: ClaimedDelivery) => Promise<void>;
  /** Names this process in the leases it takes. */
  readonly owner: string;
  readonly batch: number;
  readonly leaseMs: number;
  readonly inFlightMax: number;
  readonly drainPerSecond?: number;
  /** Of accounts that chose none. Default: `workflow`. */
  readonly laneDefault?: Lane;
  /** Called with the number of workflows that a round started. */
  readonly onStarted?: (count: number) => void;
};

/** Starts under way at once: enough to hide the round trip, few enough not to queue up in a server of two cores. */
const STARTS_AT_ONCE = 16;
/** Of what fails: it is in no hurry, and Temporal is not to be busy with it when something else comes. */
const FAILING_STARTS_AT_ONCE = 2;
/** Starts that may fail in one round before the rest are left for the next. */
const FAILURES_MAX = 3;

/**
 * Makes the dispatcher's round: claim pending deliveries under a lease, start a workflow for each, mark them
 * started.
 *
 * A crash anywhere in between loses nothing. Before the start: the lease runs out, and another round claims the row.
 * After the start: the row is still pending, is claimed and started again, which finds the running workflow, or, if
 * that is over, runs one that looks at the row and returns.
 *
 * @param of subscriptions that are well, or those that fail, which are in no hurry: a loop of their own starts them, so that a start is
 *   never what a healthy endpoint waits for. Default: both
 */
export function createDispatchRound(
  options: DispatchOptions,
  of?: "well" | "failing",
): () => Promise<"more" | "done"> {
  const { store, log, now, start, batch } = options;
  const claim = createClaimer(options, {
    lane: "workflow",
    ...(of === undefined ? {} : { isFailing: of === "failing" }),
  });
  const startsAtOnce = of === "failing" ? FAILING_STARTS_AT_ONCE : STARTS_AT_ONCE;

  return async () => {
    const claimed = await claim(batch);
    if (claimed.length === 0) return "done";

    const { started, failed, firstError } = await startAll(claimed, start, startsAtOnce);
    await markStarted(store, { ids: started, now: now() });
    if (failed.length > 0) {
      await releaseClaims(store, { ids: failed, now: now() });
      throw new Error(
        `Temporal took ${started.length} of ${claimed.length} deliveries; the rest stay pending`,
        {
          cause: firstError,
        },
      );
    }
    log.info("deliveries.started", { count: started.length });
    options.onStarted?.(started.length);
    return "more";
  };
}

/**
 * Makes the round of the direct lane, apart from the other: what Temporal does not take does not keep this one waiting.
 * Its claims are begun, not waited for; who has room again wakes it.
 */
export function createDirectRound(
  options: DispatchOptions,
  lane: Pick<DirectLane, "room" | "begin">,
): () => Promise<"more" | "done"> {
  const { store, now, start, batch } = options;
  const claim = createClaimer(options, { lane: "direct" });

  return async () => {
    const room = Math.min(batch, lane.room());
    const claimed = room === 0 ? [] : await claim(room);
    if (claimed.length === 0) return "done";
    lane.begin(claimed.filter((delivery) => delivery.lane === "direct"));
    // Retries that were parked go on by their log.
    const { started } = await startAll(
      claimed.filter((delivery) => delivery.lane === "workflow"),
      start,
      STARTS_AT_ONCE,
    );
    await markStarted(store, { ids: started, now: now() });
    // What Temporal did not take keeps its lease: claimed again at once, it would keep the first attempts waiting.
    return "more";
  };
}

/** Claims what a loop is there for, going round the subscriptions from call to call. */
function createClaimer(
  options: DispatchOptions,
  of: Pick<Claim, "lane" | "isFailing">,
): (limit: number) => Promise<ClaimedDelivery[]> {
  const { store, now, owner, leaseMs, inFlightMax, drainPerSecond, laneDefault } = options;
  let afterSubscription: SubscriptionId | undefined;
  return async (limit) => {
    const { claimed, lastSubscription } = await claimDeliveries(store, {
      owner,
      limit,
      ...of,
      inFlightMax,
      leaseMs,
      now: now(),
      ...(laneDefault === undefined ? {} : { laneDefault }),
      ...(drainPerSecond === undefined ? {} : { drainPerSecond }),
      ...(afterSubscription === undefined ? {} : { afterSubscription }),
    });
    afterSubscription = lastSubscription;
    return claimed;
  };
}

async function startAll(
  claimed: readonly ClaimedDelivery[],
  start: (delivery: ClaimedDelivery) => Promise<void>,
  atOnce: number,
): Promise<{ started: DeliveryId[]; failed: DeliveryId[]; firstError: unknown }> {
  const started: DeliveryId[] = [];
  const failed: DeliveryId[] = [];
  let firstError: unknown;
  const queue = claimed.values();
  const starter = async () => {
    for (const delivery of queue) {
      // Where Temporal is away, the others need not wait for their own timeout; one that it refuses stops nobody.
      if (failed.length >= FAILURES_MAX) {
        failed.push(delivery.deliveryId);
        continue;
      }
      try {
        await start(delivery);
        started.push(delivery.deliveryId);
      } catch (error) {
        firstError ??= error;
        failed.push(delivery.deliveryId);
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, starter));
  return { started, failed, firstError };
}
