import { createShares, type Direct, type HostPlaces, type Shares } from "@posthaste/delivery/activities";
import { type AccountId, createFairQueue, type DeliveryId } from "@posthaste/domain";
import type { Log, StopDeadline } from "@posthaste/runtime";
import { type AttemptLedger, type ClaimedDelivery, renewClaims, type Store } from "@posthaste/store";
import { createOutageLog, type OutageLog, type WhatIsAway } from "./outage-log.ts";
import { createReportSetAside, type SetAsideWork } from "./report-set-aside.ts";
import { createStarts, STARTS_AT_ONCE } from "./start-claimed.ts";

export type DirectLaneOptions = {
  readonly store: Store;
  readonly ledger: AttemptLedger;
  readonly log: Log;
  readonly now: () => number;
  /** Makes a claimed delivery's first attempt. */
  readonly attempt: (delivery: ClaimedDelivery) => Promise<Direct>;
  /** Starts a delivery's workflow. Starting it twice is harmless. */
  readonly start: (delivery: ClaimedDelivery) => Promise<void>;
  /** The places of its attempts. */
  readonly shares: Shares;
  /** The places of its attempts at each host. Default: any number. */
  readonly hosts?: HostPlaces | undefined;
  /** Identifies this process in its leases. */
  readonly owner: string;
  /** The length of a lease, in milliseconds. */
  readonly leaseMs: number;
  /** Called when attempts have ended, so more may begin. */
  readonly onRoom: () => void;
  /** Asked after a renewal or a hand-over that failed. */
  readonly whatIsAway: WhatIsAway;
  /** Called when claims cannot be renewed, with their number. */
  readonly onSetAside?: (work: SetAsideWork, count: number) => void;
};

export type DirectLane = {
  /**
   * Begins the first attempts of claimed deliveries, and starts the workflows of those that were attempted
   * before: they were parked between two attempts, and their workflows continue from the attempt log. Returns
   * at once. A delivery that is under way already is left alone: its lease ran out, and this process claimed
   * it again.
   */
  begin(claimed: readonly ClaimedDelivery[]): void;
  /**
   * Returns how many more workflows may be started for deliveries of this account that were attempted before.
   * While Temporal is silent, each start takes seconds to fail.
   */
  roomToStart(id: AccountId): number;
  /**
   * Resolves when every attempt, start and hand-over has ended, or when the deadline passes. Do not call
   * `begin` after this.
   *
   * Nothing that it leaves is lost. An attempt that was cut off is repeated under the same number when its
   * lease has run out, and so is a start. A delivery that was not handed over is `started` with a
   * `reconcile_after`, so the reconciler of the next worker starts its workflow. Therefore the first
   * hand-over that Temporal does not take while the lane stops ends all others: each of them would wait for
   * Temporal's deadline.
   */
  stop(deadline: StopDeadline): Promise<void>;
};

/** Concurrent hand-overs: few, so that they do not delay first attempts; their retries are minutes away. */
const HAND_OVERS_AT_ONCE = 4;
/**
 * Hand-overs that may wait in memory, so an outage of Temporal costs a bounded amount. The reconciler finds
 * the others within seconds.
 */
const HAND_OVERS_WAITING_MAX = 1_000;
/**
 * Renewals in the length of a lease. Each renews the claims that are older than a third of their lease: most
 * attempts are over before. The first comes before two thirds have passed, so one may fail.
 */
const RENEWALS_IN_A_LEASE = 3;

/**
 * Creates the direct lane: it makes first attempts from the claimed rows and hands failed
 * deliveries to workflows.
 */
export function createDirectLane(options: DirectLaneOptions): DirectLane {
  const { store, ledger, log, now, owner, leaseMs, shares, hosts, whatIsAway } = options;
  const inFlight = new Map<DeliveryId, { readonly claimedAt: number; readonly end: Promise<void> }>();
  const outages = createOutageLog("hand_over", log, whatIsAway);
  const handOvers = createHandOvers(async (delivery, nextAttemptAt) => {
    await options.start(delivery);
    await ledger.handedOver({ id: delivery.deliveryId, nextAttemptAt, now: now() });
  }, outages);
  // Max-min shares: while they wait for Temporal, the deliveries of one account leave room for others'.
  const startPlaces = createShares(STARTS_AT_ONCE);
  const starts = createStarts(options, {
    atOnce: startPlaces.size,
    // Claimed again at once, they would only fail again.
    ifAway: "keep",
    onEnded(id) {
      startPlaces.end(id);
      announceRoom();
    },
    onStarted: outages.succeeded,
    onFailure: (error) => outages.failed(error),
  });
  const renewals = createOutageLog("claim_renewal", log, whatIsAway);
  const report = createReportSetAside(log, options.onSetAside);
  let isRoomAnnounced = false;

  const renewal = setInterval(() => {
    const before = now() - leaseMs / RENEWALS_IN_A_LEASE;
    const ids = [...inFlight].filter(([, { claimedAt }]) => claimedAt < before).map(([id]) => id);
    void outages.idle();
    if (ids.length === 0) return void renewals.idle();
    renewClaims(store, { owner, ids, until: now() + leaseMs, now: now() }).then(
      (refused) => {
        report("lease", refused);
        renewals.succeeded();
      },
      (error: unknown) => renewals.failed(error),
    );
  }, leaseMs / RENEWALS_IN_A_LEASE);

  /** Calls `onRoom` once for all attempts that end in one turn of the event loop: claims are batched too. */
  const announceRoom = () => {
    if (isRoomAnnounced) return;
    isRoomAnnounced = true;
    setImmediate(() => {
      isRoomAnnounced = false;
      options.onRoom();
    });
  };
  const attempt = async (delivery: ClaimedDelivery) => {
    const direct = await options.attempt(delivery);
    inFlight.delete(delivery.deliveryId);
    shares.end(delivery.deliveryId);
    hosts?.end(delivery.deliveryId);
    announceRoom();
    if (direct.kind === "hand_over") handOvers.add(delivery, direct.nextAttemptAt);
    // After a fault, or without a key, the lease expires by itself, and any worker claims it again: a broken
    // dependency is not retried at once.
  };
  return {
    begin(claimed) {
      const isNew = ({ deliveryId: id }: ClaimedDelivery) => !inFlight.has(id) && !starts.has(id);
      for (const delivery of claimed.filter((one) => one.lane === "direct" && isNew(one))) {
        shares.begin(delivery.deliveryId, delivery.accountId);
        hosts?.begin(delivery.deliveryId, delivery.accountId, delivery.targetUrl);
        // Its lease has run since then, however long the claim took.
        const claimedAt = delivery.leaseUntil - leaseMs;
        inFlight.set(delivery.deliveryId, { claimedAt, end: attempt(delivery) });
      }
      const attempted = claimed.filter((one) => one.lane === "workflow" && isNew(one));
      for (const { deliveryId, accountId } of attempted) startPlaces.begin(deliveryId, accountId);
      // Their workflows' attempts take places of their own, instead of those of the claim.
      for (const { deliveryId, lane } of claimed) {
        if (lane === "workflow" && !inFlight.has(deliveryId)) hosts?.end(deliveryId);
      }
      starts.begin(attempted);
    },
    roomToStart: startPlaces.roomOf,
    async stop(deadline) {
      const ends = Promise.all([...inFlight.values()].map(({ end }) => end));
      await deadline.waitFor("direct_attempts", ends, () => inFlight.size);
      clearInterval(renewal);
      await deadline.waitFor("direct_starts", starts.untilEnded(), starts.count);
      await handOvers.stop(deadline);
    },
  };
}

function createHandOvers(
  handOver: (delivery: ClaimedDelivery, nextAttemptAt: number) => Promise<void>,
  outages: OutageLog,
) {
  const waiting = createFairQueue<{ readonly delivery: ClaimedDelivery; readonly nextAttemptAt: number }>({
    max: HAND_OVERS_WAITING_MAX,
  });
  const running = new Set<Promise<void>>();
  let isStopping = false;
  /** Hand-overs that a stop has left to the reconciler. */
  let left = 0;
  const leaveWaiting = () => {
    while (waiting.next() !== undefined) left += 1;
  };

  const run = async () => {
    for (let next = waiting.next(); next !== undefined; next = waiting.next()) {
      const { delivery, nextAttemptAt } = next;
      try {
        await handOver(delivery, nextAttemptAt);
        outages.succeeded();
      } catch (error) {
        // The row holds the time at which the reconciler starts the workflow instead.
        if (isStopping) {
          left += 1;
          leaveWaiting();
        }
        await outages.failed(error, { deliveryId: delivery.deliveryId });
      }
    }
  };
  return {
    add(delivery: ClaimedDelivery, nextAttemptAt: number) {
      if (isStopping) return;
      waiting.add(delivery.accountId, { delivery, nextAttemptAt });
      if (running.size >= HAND_OVERS_AT_ONCE) return;
      const runner = run().finally(() => running.delete(runner));
      running.add(runner);
    },
    async stop(deadline: StopDeadline) {
      isStopping = true;
      await deadline.waitFor("hand_overs", Promise.all(running), () => running.size);
      leaveWaiting();
      deadline.leave("hand_overs", left);
    },
  };
}
