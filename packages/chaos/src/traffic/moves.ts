import { subscribe } from "../world.ts";
import type { TrafficMaker } from "./kind.ts";

/** A subscription whose URL is changed again and again; the receiver is the same. */
export const moves: TrafficMaker = async (world) => {
  const id = await subscribe(world, "moving");
  const { url } = world.receivers.moving;
  return {
    async act(n) {
      const targetUrl = n % 2 === 0 ? `${url}/${n}` : url;
      await world.callers.hostile.insist((client) =>
        client.subscriptions.updateSubscription({ id, targetUrl }),
      );
    },
  };
};
