import type { Direct } from "@posthaste/delivery/activities";
import type { DeliveryId } from "@posthaste/domain";
import type { Log } from "@posthaste/runtime";
import { type AttemptLedger, type ClaimedDelivery, renewClaims, type Store } from "@posthaste/store";

export type DirectLaneOptions = {
  readonly store: Store;
  readonly ledger: AttemptLedger;
  readonly log: Log;
  readonly now: () => number;
  /** Makes a claimed delivery's first attempt. */
  readonly attempt: (id: DeliveryId) => Promise<Direct>;
  /** Starts a delivery's workflow; starting twice is harmless. */
  readonly start: (delivery: ClaimedDelivery) => Promise<void>;
  /** Attempts under way at once. */
  readonly attemptsMax: number;
  /** Names this process in the leases it takes, and how long they are. */
  readonly owner: string;
  readonly leaseMs: number;
  /** There is room again. */
  readonly onRoom: () => void;
};

export type DirectLane = {
  /** How many attempts may begin now. */
  room(): number;
  begin(claimed: readonly ClaimedDelivery[]): void;
  /** Resolves when what is under way is over; nothing may be begun any more. */
  stop(): Promise<void>;
};

/** Starts of workflows at once for what failed: their next attempts are minutes away, and first attempts are not to wait for them. */
const HAND_OVERS_AT_ONCE = 4;
/** What waits beyond that is left to the reconciler, which finds it within seconds: an outage of Temporal costs no memory. */
const HAND_OVERS_WAITING_MAX = 1_000;
/** Leases are renewed when a third of them is over, so that two renewals may fail. */
const RENEWALS_IN_A_LEASE = 3;

/** Makes first attempts straight from the claimed rows, and hands over what failed to a workflow. */
export function createDirectLane(options: DirectLaneOptions): DirectLane {
  const { store, ledger, log, now, owner, leaseMs, attemptsMax } = options;
  const underWay = new Map<DeliveryId, { readonly begunAt: number; readonly over: Promise<void> }>();
  const handOvers = createHandOvers(async (delivery, nextAttemptAt) => {
    await options.start(delivery);
    await ledger.handedOver({ id: delivery.deliveryId, nextAttemptAt, now: now() });
  }, log);
  let isTold = false;

  const renewal = setInterval(() => {
    const before = now() - leaseMs / RENEWALS_IN_A_LEASE;
    const ids = [...underWay].filter(([, { begunAt }]) => begunAt < before).map(([id]) => id);
    renewClaims(store, { owner, ids, until: now() + leaseMs, now: now() }).catch((error: unknown) =>
      log.error("direct_lane.failed", error),
    );
  }, leaseMs / RENEWALS_IN_A_LEASE);

  /** Once for all attempts that end in one turn of the event loop: claims are made in batches, too. */
  const tellOfRoom = () => {
    if (isTold) return;
    isTold = true;
    setImmediate(() => {
      isTold = false;
      options.onRoom();
    });
  };
  const carry = async (delivery: ClaimedDelivery) => {
    const direct = await options.attempt(delivery.deliveryId);
    underWay.delete(delivery.deliveryId);
    tellOfRoom();
    if (direct.kind === "hand_over") handOvers.add(delivery, direct.nextAttemptAt);
    // After a fault the lease is left to run out: what is broken is not tried again at once.
  };
  return {
    room: () => Math.max(0, attemptsMax - underWay.size),
    begin(claimed) {
      for (const delivery of claimed) {
        underWay.set(delivery.deliveryId, { begunAt: now(), over: carry(delivery) });
      }
    },
    async stop() {
      await Promise.all([...underWay.values()].map(({ over }) => over));
      clearInterval(renewal);
      await handOvers.stop();
    },
  };
}

function createHandOvers(
  handOver: (delivery: ClaimedDelivery, nextAttemptAt: number) => Promise<void>,
  log: Log,
) {
  const waiting: { readonly delivery: ClaimedDelivery; readonly nextAttemptAt: number }[] = [];
  const running = new Set<Promise<void>>();
  let failed = 0;

  const run = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { delivery, nextAttemptAt } = next;
      try {
        await handOver(delivery, nextAttemptAt);
        failed = 0;
      } catch (error) {
        // The row says when the reconciler starts it. One line for an outage, not one for each delivery.
        failed += 1;
        if (failed === 1) log.error("hand_over.failed", error, { deliveryId: delivery.deliveryId });
      }
    }
  };
  return {
    add(delivery: ClaimedDelivery, nextAttemptAt: number) {
      if (waiting.length >= HAND_OVERS_WAITING_MAX) return;
      waiting.push({ delivery, nextAttemptAt });
      if (running.size >= HAND_OVERS_AT_ONCE) return;
      const one = run().finally(() => running.delete(one));
      running.add(one);
    },
    async stop() {
      await Promise.all(running);
    },
  };
}
