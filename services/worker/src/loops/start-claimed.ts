import { isOutage } from "@posthaste/delivery/client";
import type { DeliveryId } from "@posthaste/domain";
import type { Log } from "@posthaste/runtime";
import {
  type ClaimedDelivery,
  markStarted,
  releaseClaims,
  type Store,
  setAsideClaims,
} from "@posthaste/store";
import { createReportSetAside, type Refused, type SetAsideWork } from "./report-set-aside.ts";
import { createPatience, type Patience } from "./set-aside.ts";

export type StarterOptions = {
  readonly store: Store;
  readonly log: Log;
  readonly now: () => number;
  /** Starts a delivery's workflow. Starting it twice is harmless. */
  readonly start: (delivery: ClaimedDelivery) => Promise<void>;
  /** Identifies this process in its leases. */
  readonly owner: string;
  /** Called when deliveries are set aside, with their number. */
  readonly onSetAside?: (work: SetAsideWork, count: number) => void;
};

/** Concurrent starts: enough to hide the round trip, few enough not to queue in a server with two cores. */
export const STARTS_AT_ONCE = 16;
/** Starts that fail before any succeeds: then no other is tried. Each may have waited 5 s, its deadline. */
const FAILURES_MAX = 3;

/** What a starter did; see {@link createStarter}. */
type Starts = {
  readonly started: readonly DeliveryId[];
  /** Set if Temporal accepted nothing because it is unavailable. Nothing was set aside then. */
  readonly outage: { readonly error: unknown } | undefined;
};

/**
 * Creates a function that starts the workflows of claimed deliveries, marks them started, and sets those
 * aside whose start fails, each for a growing time.
 */
export function createStarter(
  options: StarterOptions,
  atOnce: number,
): (claimed: readonly ClaimedDelivery[]) => Promise<Starts> {
  const { store, owner, now } = options;
  const report = createReportSetAside(options.log, options.onSetAside);
  const patience = createPatience({ now });
  return async (claimed) => {
    const { started, failed, untried, isOver } = await startAll(claimed, options.start, atOnce);
    for (const id of started) patience.succeeded(id);
    report("lease", await markStarted(store, { owner, ids: started, now: now() }));
    const [first] = failed;
    if (isOver && first !== undefined) return { started, outage: first };
    report("start", failed);
    report("lease", await setAsideClaims(store, { owner, claims: untils(failed, patience), now: now() }));
    report("lease", await releaseClaims(store, { owner, ids: untried, now: now() }));
    return { started, outage: undefined };
  };
}

function untils(failed: readonly Failed[], patience: Patience): { id: DeliveryId; untilMs: number }[] {
  return failed.map(({ item: id }) => ({ id, untilMs: patience.failed(id).untilMs }));
}

type Failed = Refused & { readonly item: DeliveryId };

/** Starts deliveries until all have been tried or, without a success, a few have met an outage. */
async function startAll(
  claimed: readonly ClaimedDelivery[],
  start: (delivery: ClaimedDelivery) => Promise<void>,
  atOnce: number,
): Promise<{ started: DeliveryId[]; failed: Failed[]; untried: DeliveryId[]; isOver: boolean }> {
  const started: DeliveryId[] = [];
  const failed: Failed[] = [];
  const untried: DeliveryId[] = [];
  // One start that succeeds shows that the failed ones concern their deliveries only.
  const isOutageSoFar = () => started.length === 0 && failed.every(({ error }) => isOutage(error));
  const queue = claimed.values();
  const starter = async () => {
    for (const delivery of queue) {
      const id = delivery.deliveryId;
      if (failed.length >= FAILURES_MAX && isOutageSoFar()) {
        untried.push(id);
        continue;
      }
      try {
        await start(delivery);
        started.push(id);
      } catch (error) {
        failed.push({ item: id, error });
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, starter));
  return { started, failed, untried, isOver: failed.length > 0 && isOutageSoFar() };
}
