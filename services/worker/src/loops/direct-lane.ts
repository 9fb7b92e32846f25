import { createShares, type Direct, type HostPlaces, type Shares } from "@posthaste/delivery/activities";
import { type AccountId, createFairQueue, type DeliveryId } from "@posthaste/domain";
import type { StopDeadline } from "@posthaste/runtime";
import type { AttemptLedger, ClaimedDelivery } from "@posthaste/store";
import { createHeldClaims, type HeldClaimsOptions, RENEWALS_IN_A_LEASE } from "./held-claims.ts";
import { createOutageLog, type OutageLog } from "./outage-log.ts";
import { createStarts, STARTS_AT_ONCE } from "./start-claimed.ts";

export type DirectLaneOptions = HeldClaimsOptions & {
  readonly ledger: AttemptLedger;
  /**
   * Makes a claimed delivery's first attempt.
   *
   * @param holdsClaim whether this process safely holds the delivery's claim; see `held-claims.ts`
   */
  readonly attempt: (delivery: ClaimedDelivery, holdsClaim: () => Promise<boolean>) => Promise<Direct>;
  /** Starts a delivery's workflow. Starting it twice is harmless. */
  readonly start: (delivery: ClaimedDelivery) => Promise<void>;
  /** The places of its attempts. */
  readonly shares: Shares;
  /** The places of its attempts at each host. Default: any number. */
  readonly hosts?: HostPlaces | undefined;
  /** Called when attempts have ended, so more may begin. */
  readonly onRoom: () => void;
};

export type DirectLane = {
  /**
   * Begins the first attempts of claimed deliveries, and starts the workflows of those that were attempted
   * before: they were parked between two attempts, and their workflows continue from the attempt log. Returns
   * at once. A delivery that is under way already only gets its new lease: the first one ran out, and this
   * process claimed it again.
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
 * Creates the direct lane: it makes first attempts from the claimed rows and hands failed
 * deliveries to workflows.
 */
export function createDirectLane(options: DirectLaneOptions): DirectLane {
  const { ledger, log, now, leaseMs, shares, hosts, whatIsAway } = options;
  const inFlight = new Map<DeliveryId, Promise<void>>();
  const claims = createHeldClaims(options);
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
  const renewal = setInterval(() => {
    void outages.idle();
    void claims.renew();
  }, leaseMs / RENEWALS_IN_A_LEASE);
  let isRoomAnnounced = false;

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
    const id = delivery.deliveryId;
    const direct = await options.attempt(delivery, () => claims.holds(id));
    inFlight.delete(id);
    claims.remove(id);
    shares.end(id);
    hosts?.end(id);
    announceRoom();
    if (direct.kind === "hand_over") handOvers.add(delivery, direct.nextAttemptAt);
    // What is not held belongs to whoever has claimed it, or claims it next. After a fault, or without a
    // key, the lease expires by itself, and any worker claims the delivery again: a broken dependency is not
    // retried at once.
  };
  return {
    begin(claimed) {
      const toStart: ClaimedDelivery[] = [];
      for (const delivery of claimed) {
        const { deliveryId: id, accountId, targetUrl, lane } = delivery;
        if (inFlight.has(id)) claims.add(delivery);
        else if (lane === "workflow" || starts.has(id)) {
          // Their workflows' attempts take places of their own, instead of those of the claim.
          hosts?.end(id);
          if (!starts.has(id)) startPlaces.begin(id, accountId);
          toStart.push(delivery);
        } else {
          shares.begin(id, accountId);
          hosts?.begin(id, accountId, targetUrl);
          claims.add(delivery);
          inFlight.set(id, attempt(delivery));
        }
      }
      starts.begin(toStart);
    },
    roomToStart: startPlaces.roomOf,
    async stop(deadline) {
      const ends = Promise.all(inFlight.values());
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
