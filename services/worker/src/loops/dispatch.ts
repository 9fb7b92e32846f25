import type { Shares } from "@posthaste/delivery/activities";
import type { Lane } from "@posthaste/domain";
import {
  type Claim,
  type ClaimedDelivery,
  claimDeliveries,
  createClaimRotation,
  listInFlight,
  type RefusedClaims,
  releaseClaims,
  type Store,
} from "@posthaste/store";
import type { DirectLane } from "./direct-lane.ts";
import { createReportSetAside } from "./report-set-aside.ts";
import { createPatience } from "./set-aside.ts";
import { createStarter, STARTS_AT_ONCE, type StarterOptions } from "./start-claimed.ts";

export type DispatchOptions = StarterOptions & {
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

/** Concurrent starts for failing subscriptions, which are not urgent and must not keep Temporal busy. */
const FAILING_STARTS_AT_ONCE = 2;

/**
 * Creates the dispatcher's round: it claims pending deliveries under a lease, starts a workflow for each, and
 * marks them started.
 *
 * A crash at any point loses nothing. Before the start, the lease expires and another round claims the row.
 * After the start, the row is still pending and is claimed and started again. The second start finds the
 * running workflow. If that workflow has ended, a new one runs, finds the row's state and returns.
 *
 * A delivery whose start is refused is set aside for a growing time, so that it keeps neither a place of its
 * subscription nor the head of its line. During an outage of Temporal, nothing is set aside and the round
 * fails.
 *
 * @param health which subscriptions to claim for. Failing subscriptions get a loop of their own, so
 *   that deliveries to a healthy endpoint never wait for the start of one to a failing endpoint.
 *   Default: all subscriptions
 */
export function createDispatchRound(
  options: DispatchOptions,
  health?: "well" | "failing",
): () => Promise<"more" | "done"> {
  const { store, log, now, batch, shares } = options;
  const claim = createClaimer(options, {
    lane: "workflow",
    ...(health === undefined ? {} : { isFailing: health === "failing" }),
  });
  const startClaimed = createStarter(options, health === "failing" ? FAILING_STARTS_AT_ONCE : STARTS_AT_ONCE);

  return async () => {
    await giveBackEnded(store, shares);
    const claimed = await claim(Math.min(batch, shares.free()));
    if (claimed.length === 0) return "done";
    for (const { deliveryId, accountId } of claimed) shares.reserve(deliveryId, accountId);

    const { started, outage } = await startClaimed(claimed);
    const isStarted = new Set(started);
    for (const { deliveryId } of claimed) if (!isStarted.has(deliveryId)) shares.end(deliveryId);
    if (outage !== undefined) {
      const ids = claimed.map(({ deliveryId }) => deliveryId);
      await releaseClaims(store, { owner: options.owner, ids, now: now() });
      throw new Error(`Temporal accepted none of ${claimed.length} deliveries; they stay pending`, {
        cause: outage.error,
      });
    }
    if (started.length > 0) log.info("deliveries.started", { count: started.length });
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
 * when Temporal accepts no starts. The round begins attempts and starts workflows without waiting for them;
 * the lane wakes it when they end.
 */
export function createDirectRound(
  options: DispatchOptions,
  lane: Pick<DirectLane, "begin" | "roomToStart">,
): () => Promise<"more" | "done"> {
  const { batch, shares } = options;
  const claim = createClaimer(options, { lane: "direct", roomToStart: lane.roomToStart });

  return async () => {
    const claimed = await claim(Math.min(batch, shares.free()));
    if (claimed.length === 0) return "done";
    lane.begin(claimed);
    return "more";
  };
}

/**
 * Creates a function that claims the deliveries of one loop. Everyone gets a turn, from call to call. A
 * subscription whose claim fails is set aside.
 */
function createClaimer(
  options: DispatchOptions,
  filter: Pick<Claim, "lane" | "isFailing" | "roomToStart">,
): (limit: number) => Promise<ClaimedDelivery[]> {
  const { store, now, owner, leaseMs, inFlightMax, drainPerSecond, laneDefault, shares } = options;
  const report = createReportSetAside(options.log, options.onSetAside);
  const patience = createPatience({ now });
  const rotation = createClaimRotation();
  const onRefused = ({ subscriptions, deliveries }: RefusedClaims) => {
    for (const { item } of subscriptions) patience.failed(item);
    report("claim", [...subscriptions, ...deliveries]);
  };
  return async (limit) => {
    if (limit === 0) return [];
    const claimed = await claimDeliveries(store, {
      owner,
      limit,
      ...filter,
      inFlightMax,
      leaseMs,
      now: now(),
      rotation,
      roomOf: shares.roomOf,
      isLeftOut: (id) => patience.isSetAside(id),
      onRefused,
      ...(laneDefault === undefined ? {} : { laneDefault }),
      ...(drainPerSecond === undefined ? {} : { drainPerSecond }),
    });
    for (const { subscriptionId } of claimed) patience.succeeded(subscriptionId);
    return claimed;
  };
}
