import type { HostPlaces, Shares } from "@posthaste/delivery/activities";
import type { Lane } from "@posthaste/domain";
import type { StopDeadline } from "@posthaste/runtime";
import {
  type Claim,
  type ClaimedDelivery,
  claimDeliveries,
  createClaimRotation,
  listInFlight,
  type RefusedClaims,
} from "@posthaste/store";
import type { DirectLane } from "./direct-lane.ts";
import type { Round } from "./loop.ts";
import { createReportSetAside } from "./report-set-aside.ts";
import { createPatience } from "./set-aside.ts";
import { createStarts, STARTS_AT_ONCE, type StarterOptions } from "./start-claimed.ts";

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
  /** The places of the attempts at each host, as `shares`. Default: any number. */
  readonly hosts?: HostPlaces | undefined;
  /** The lane of accounts that set none. Default: `workflow`. */
  readonly laneDefault?: Lane;
  /** Called when workflows were started and their deliveries marked, with their number. */
  readonly onStarted?: (count: number) => void;
};

export type Dispatcher = {
  /** Claims deliveries and begins to start their workflows, without waiting for more than it needs. */
  readonly round: () => Promise<Round>;
  /** Resolves when every start has ended, or when the deadline passes. What it leaves is claimed again. */
  readonly stop: (deadline: StopDeadline) => Promise<void>;
};

/** Concurrent starts for failing subscriptions, which are not urgent and must not keep Temporal busy. */
const FAILING_STARTS_AT_ONCE = 2;
/**
 * Creates a dispatcher. Its round claims pending deliveries under a lease and begins to start a workflow for
 * each. When a workflow was started, its delivery is marked started. A round does not wait for all of its
 * starts: as soon as none of them waits, the next one claims more. A delivery that becomes pending
 * meanwhile therefore waits for few starts of others, however many deliveries they have.
 *
 * A crash at any point loses nothing. Before the start, the lease expires and another round claims the row.
 * After the start, the row is still pending and is claimed and started again. The second start finds the
 * running workflow. If that workflow has ended, a new one runs, finds the row's state and returns.
 *
 * A delivery whose start is refused is set aside for a growing time, so that it keeps neither a place of its
 * subscription nor the head of its line. If those behind it come after it in order, it keeps both, unless the
 * refusal is for what the delivery is. During an outage of Temporal, nothing is set aside and the round
 * fails. After that, a round waits until a start has succeeded.
 *
 * @param health which subscriptions to claim for. Failing subscriptions get a loop of their own, so
 *   that deliveries to a healthy endpoint never wait for the start of one to a failing endpoint.
 *   Default: all subscriptions
 */
export function createDispatcher(options: DispatchOptions, health?: "well" | "failing"): Dispatcher {
  const { log, batch, shares, hosts } = options;
  const claim = createClaimer(options, {
    lane: "workflow",
    ...(health === undefined ? {} : { isFailing: health === "failing" }),
  });
  const atOnce = health === "failing" ? FAILING_STARTS_AT_ONCE : STARTS_AT_ONCE;
  let failure: { readonly error: unknown } | undefined;
  const starts = createStarts(options, {
    atOnce,
    ifAway: "release",
    onEnded(id, isStarted) {
      if (isStarted) return;
      shares.end(id);
      hosts?.end(id);
    },
    onStarted(count) {
      log.info("deliveries.started", { count });
      options.onStarted?.(count);
    },
    onFailure(error) {
      failure ??= { error };
    },
  });
  const throwFailure = () => {
    const failed = failure;
    failure = undefined;
    if (failed !== undefined) throw failed.error;
  };
  return {
    async round() {
      throwFailure();
      await giveBackEnded(options);
      const room = Math.max(0, atOnce + starts.aheadMax() - starts.count());
      const { claimed, goesOn } = await claim(Math.min(batch, room, shares.free()));
      // The claim has taken their places at the hosts.
      for (const { deliveryId, accountId } of claimed) shares.reserve(deliveryId, accountId);
      starts.begin(claimed);
      if (claimed.length === 0) return goesOn ? "searching" : "idle";
      await starts.untilAtMost(atOnce);
      throwFailure();
      return "more";
    },
    async stop(deadline) {
      await deadline.waitFor("workflow_starts", starts.untilEnded(), starts.count);
    },
  };
}

/** After this time, an attempt that was started here and has not begun here is likely another process's. */
const RESERVED_MS = 1_000;

/**
 * Gives back the places of deliveries whose attempts ended in another process, or are not made: all workers
 * may lack the key of a secret, and the others' deliveries must not wait for that.
 */
async function giveBackEnded({ store, now, shares, hosts }: DispatchOptions): Promise<void> {
  const reserved = shares.reservedFor(RESERVED_MS);
  if (reserved.length === 0) return;
  const inFlight = new Set(await listInFlight(store, reserved, now()));
  for (const id of reserved.filter((one) => !inFlight.has(one))) {
    shares.end(id);
    hosts?.end(id);
  }
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
    const { claimed, goesOn } = await claim(Math.min(batch, shares.free()));
    if (claimed.length === 0) return goesOn ? "more" : "done";
    lane.begin(claimed);
    return "more";
  };
}

/**
 * Claims in a row that were cut short and found nothing, after which the loop makes its pause. One examines
 * thousands of other loops' subscriptions, so as many as belong to any likely backlog are examined before the
 * pause. Without one, a larger backlog of another loop would keep the database busy all the time.
 */
const CUT_SHORT_MAX = 4;

/**
 * Creates a function that claims the deliveries of one loop. Everyone gets a turn, from call to call. A
 * subscription whose claim fails is set aside. `goesOn`: the search was cut short, and goes on at once.
 */
function createClaimer(
  options: DispatchOptions,
  filter: Pick<Claim, "lane" | "isFailing" | "roomToStart">,
): (limit: number) => Promise<{ claimed: readonly ClaimedDelivery[]; goesOn: boolean }> {
  const { store, now, owner, leaseMs, inFlightMax, drainPerSecond, laneDefault, shares, hosts } = options;
  const report = createReportSetAside(options.log, options.onSetAside);
  const patience = createPatience({ now });
  const rotation = createClaimRotation();
  const onRefused = ({ subscriptions, deliveries }: RefusedClaims) => {
    for (const { item } of subscriptions) patience.failed(item);
    report("claim", [...subscriptions, ...deliveries]);
  };
  let cutShort = 0;
  return async (limit) => {
    if (limit === 0) return { claimed: [], goesOn: false };
    let isCutShort = false;
    const claimed = await claimDeliveries(store, {
      owner,
      limit,
      ...filter,
      inFlightMax,
      leaseMs,
      now,
      rotation,
      roomOf: shares.roomOf,
      ...(hosts === undefined ? {} : { hosts }),
      isLeftOut: (id) => patience.isSetAside(id),
      onRefused,
      onCutShort() {
        isCutShort = true;
      },
      ...(laneDefault === undefined ? {} : { laneDefault }),
      ...(drainPerSecond === undefined ? {} : { drainPerSecond }),
    });
    for (const { subscriptionId } of claimed) patience.succeeded(subscriptionId);
    cutShort = isCutShort && claimed.length === 0 ? cutShort + 1 : 0;
    return { claimed, goesOn: cutShort > 0 && cutShort % CUT_SHORT_MAX !== 0 };
  };
}
