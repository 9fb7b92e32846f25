import { isRefusedForNow, subscribe, unlessRefused } from "../world.ts";
import type { TrafficMaker } from "./kind.ts";

/**
 * Guests in a row at one URL. The second one gets what the first one did not, and what its end has cancelled;
 * the first one at a URL gets all events from before its time.
 */
const AT_ONE_URL = 2;

/** Returns the path of a guest, from 0. */
export function guestPath(n: number): string {
  return `/${Math.floor(n / AT_ONE_URL)}`;
}

/**
 * Subscriptions that come and go: each is ended when the next one comes, whatever of its is still under way,
 * and the next one asks for the events from before its time. It is ended first, since no two live ones may
 * want the same events at one URL.
 */
export const guests: TrafficMaker = async (world) => {
  const { insist } = world.callers.hostile;
  let guest: number | undefined;
  return {
    async act(n) {
      const before = guest;
      if (before !== undefined)
        await insist((client) => client.subscriptions.deleteSubscription({ id: before }));
      // A call that was not answered has subscribed it: it exists, nobody knows its number, and it has its
      // URL for good.
      guest = await unlessRefused(subscribe(world, "guest", guestPath(n)));
      const subscriptionId = guest;
      if (subscriptionId === undefined) return;
      const replaying = insist(
        (client) => client.deliveries.replayEvents({ subscriptionId, since: { seconds: 0n } }),
        isRefusedForNow,
      );
      await unlessRefused(replaying, isRefusedForNow);
    },
  };
};
