import type { Shares } from "@posthaste/delivery/activities";
import type { DeliveryId, Lane } from "@posthaste/domain";
import type { Log } from "@posthaste/runtime";
import {
  type Claim,
  type ClaimedDelivery,
  claimDeliveries,
  createClaimRotation,
  listInFlight,
  markStarted,
  releaseClaims,
  type Store,
} from "@posthaste/store";
import type { DirectLane } from "./direct-lane.ts";

export type DispatchOptions = {
  readonly store: Store;
  readonly log: Log;
  readonly now: () => number;
  /** Starts a delivery's workflow. Starting it twice is harmless. */
  readonly start: (delivery: ClaimedDelivery) => Promise<void>;
  /** Identifies this process in its leases. */
  readonly owner: string;
  /** The maximum number of deliveries claimed in one round. */
  readonly batch: number;
  /** The length of a lease, in milliseconds. */
  readonly leaseMs: number;
  /** The maximum number of attempts in flight for one subscription, unless the subscription sets one. */
  readonly inFlightMax: number;
  /** First attempts per second of a subscription that is draining. */
  readonly drainPerSecond?: number;
  /** The places of the attempts that a round leads to; none is claimed that has no place. */
  readonly shares: Shares;
  /** The lane of accounts that set none. Default: `workflow`. */
  readonly laneDefault?: Lane;
  /** Called after each successful round with the number of workflows started. */
  readonly onStarted?: (count: number) => void;
};

/** Concurrent starts: enough to hide the round trip, few enough not to queue in a server with two cores. */
const STARTS_AT_ONCE = 16;
/** Concurrent starts for failing subscriptions, which are not urgent and must not keep Temporal busy. */
const FAILING_STARTS_AT_ONCE = 2;
/** Failed starts after which a round leaves its remaining deliveries to the next round. */
const FAILURES_MAX = 3;

/**
 * Creates the dispatcher's round: it claims pending deliveries under a lease, starts a workflow for each, and
 * marks them started.
 *
 * A crash at any point loses nothing. Before the start, the lease expires and another round claims the row.
 * After the start, the row is still pending and is claimed and started again. The second start finds the
 * running workflow. If that workflow has ended, a new one runs, finds the row's state and returns.
 *
 * @param health which subscriptions to claim for. Failing subscriptions get a loop of their own, so
 *   that deliveries to a healthy endpoint never wait for the start of one to a failing endpoint.
 *   Default: all subscriptions
 */
export function createDispatchRound(
  options: DispatchOptions,
  health?: "well" | "failing",
): () => Promise<"more" | "done"> {
  const { store, log, now, start, batch, shares } = options;
  const claim = createClaimer(options, {
    lane: "workflow",
    ...(health === undefined ? {} : { isFailing: health === "failing" }),
  });
  const startsAtOnce = health === "failing" ? FAILING_STARTS_AT_ONCE : STARTS_AT_ONCE;

  return async () => {
    await giveBackEnded(store, shares);
    const claimed = await claim(Math.min(batch, shares.free()));
    if (claimed.length === 0) return "done";
    for (const { deliveryId, accountId } of claimed) shares.reserve(deliveryId, accountId);

    const { started, failed, firstError } = await startAll(claimed, start, startsAtOnce);
    await markStarted(store, { ids: started, now: now() });
    if (failed.length > 0) {
      for (const id of failed) shares.end(id);
      await releaseClaims(store, { owner: options.owner, ids: failed, now: now() });
      throw new Error(
        `Temporal accepted ${started.length} of ${claimed.length} deliveries; the others stay pending`,
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

/** After this time, an attempt that was started here and has not begun here is likely another process's. */
const RESERVED_MS = 1_000;

/** Gives back the places of deliveries whose attempts ended in another process. */
async function giveBackEnded(store: Store, shares: Shares): Promise<void> {
  const reserved = shares.reservedFor(RESERVED_MS);
  if (reserved.length === 0) return;
  const inFlight = new Set(await listInFlight(store, reserved));
  for (const id of reserved) if (!inFlight.has(id)) shares.end(id);
}

/**
 * Creates the direct lane's round. It is separate from the workflow lane's round, so it does not wait
 * when Temporal accepts no starts. The round begins attempts without waiting for them; the lane wakes it
 * when attempts end.
 */
export function createDirectRound(
  options: DispatchOptions,
  lane: Pick<DirectLane, "begin">,
): () => Promise<"more" | "done"> {
  const { store, now, start, batch, shares } = options;
  const claim = createClaimer(options, { lane: "direct" });

  return async () => {
    const claimed = await claim(Math.min(batch, shares.free()));
    if (claimed.length === 0) return "done";
    lane.begin(claimed.filter((delivery) => delivery.lane === "direct"));
    // These were parked between two attempts; their workflows continue from the attempt log.
    const { started } = await startAll(
      claimed.filter((delivery) => delivery.lane === "workflow"),
      start,
      STARTS_AT_ONCE,
    );
    await markStarted(store, { ids: started, now: now() });
    // A delivery that failed to start keeps its lease. Claimed again at once, it would delay first attempts.
    return "more";
  };
}

/** Creates a function that claims the deliveries of one loop. Everyone gets a turn, from call to call. */
function createClaimer(
  options: DispatchOptions,
  filter: Pick<Claim, "lane" | "isFailing">,
): (limit: number) => Promise<ClaimedDelivery[]> {
  const { store, now, owner, leaseMs, inFlightMax, drainPerSecond, laneDefault, shares } = options;
  const rotation = createClaimRotation();
  return async (limit) => {
    if (limit === 0) return [];
    return await claimDeliveries(store, {
      owner,
      limit,
      ...filter,
      inFlightMax,
      leaseMs,
      now: now(),
      rotation,
      roomOf: shares.roomOf,
      ...(laneDefault === undefined ? {} : { laneDefault }),
      ...(drainPerSecond === undefined ? {} : { drainPerSecond }),
    });
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
      // If Temporal is unavailable, the remaining starts need not time out one by one. A single refused
      // start stops nothing.
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
