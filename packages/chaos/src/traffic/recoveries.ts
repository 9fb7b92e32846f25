import { DeliveryState } from "@posthaste/contracts/delivery";
import { NEVER_ACCEPTS } from "../receivers.ts";
import { isRefusedForNow, unlessRefused, type World } from "../world.ts";
import type { TrafficMaker } from "./kind.ts";

/** Deliveries that one act cancels. */
const CANCELLED_AT_ONCE = 5;

/** What waits is made due as well; the others are the default. */
const WAITING_AND_FAILED = [
  ...[DeliveryState.STARTED, DeliveryState.EXHAUSTED, DeliveryState.BLOCKED, DeliveryState.CANCELLED],
];

/**
 * Cancels deliveries of the hostile account that wait for a retry, and recovers what was cancelled. Some
 * recoveries also send what waits for a retry, and some are paused, and go on at the next act.
 */
export const recoveries: TrafficMaker = async (world) => {
  const { insist } = world.callers.hostile;
  let paused: number | undefined;
  const resume = async () => {
    const id = paused;
    paused = undefined;
    if (id !== undefined) await unlessRefused(insist((client) => client.deliveries.resumeRecovery({ id })));
  };
  return {
    async act(_n, random) {
      await resume();
      for (const id of await waitingOf(world)) {
        // Noted first: a call that is not answered may have cancelled it.
        world.ledger.cancelled.add(id);
        await unlessRefused(insist((client) => client.deliveries.cancelDelivery({ id })));
      }
      const ratePerSecond = random.between(1, 50);
      const isPaused = random.between(0, 1) === 1;
      const states = random.between(0, 1) === 1 ? WAITING_AND_FAILED : [];
      const recovering = insist(
        (client) => client.deliveries.recoverDeliveries({ since: { seconds: 0n }, ratePerSecond, states }),
        isRefusedForNow,
      );
      const id = (await unlessRefused(recovering, isRefusedForNow))?.recovery?.id;
      if (id === undefined || !isPaused) return;
      // It may have ended in the meantime, like what is cancelled or resumed.
      await unlessRefused(insist((client) => client.deliveries.pauseRecovery({ id })));
      paused = id;
    },
    end: resume,
  };
};

/** Returns some deliveries that wait for receivers that never accept anything. */
async function waitingOf({ stack, ledger }: World): Promise<string[]> {
  const waiters = [...ledger.subscriptions].filter(([, { character }]) => NEVER_ACCEPTS.has(character));
  const rows = await stack.store.db
    .selectFrom("deliveries")
    .select("id")
    .where("state", "=", "started")
    .where("attempts", ">", 0)
    .where("subscription_id", "in", waiters.map(([id]) => id) as never)
    .limit(CANCELLED_AT_ONCE)
    .execute()
    // The database may be what fails at the moment.
    .catch(() => []);
  return rows.map(({ id }) => id);
}
