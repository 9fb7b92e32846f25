import { isRefusedForNow, subscribe, unlessRefused } from "../world.ts";
import type { TrafficMaker } from "./kind.ts";

/**
 * Subscriptions that come and go: each asks for the events from before its time, and is ended when the next
 * one comes, whatever of its is still under way.
 */
export const guests: TrafficMaker = async (world) => {
  const { insist } = world.callers.hostile;
  let guest: number | undefined;
  return {
    async act(n) {
      const before = guest;
      // A call that was not answered has subscribed it: it exists, and nobody knows its number.
      guest = await unlessRefused(subscribe(world, "guest", `/${n}`));
      const subscriptionId = guest;
      if (subscriptionId !== undefined) {
        const replaying = insist(
          (client) => client.deliveries.replayEvents({ subscriptionId, since: { seconds: 0n } }),
          isRefusedForNow,
        );
        await unlessRefused(replaying, isRefusedForNow);
      }
      if (before !== undefined)
        await insist((client) => client.subscriptions.deleteSubscription({ id: before }));
    },
  };
};
