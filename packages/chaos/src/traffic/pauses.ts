import { subscribe } from "../world.ts";
import type { TrafficMaker } from "./kind.ts";

/** A subscription that is paused and resumed in turn. */
export const pauses: TrafficMaker = async (world) => {
  const id = await subscribe(world, "pausing");
  const { insist } = world.callers.hostile;
  const resume = async () => void (await insist((client) => client.subscriptions.resumeSubscription({ id })));
  return {
    async act(n) {
      if (n % 2 === 1) await resume();
      else await insist((client) => client.subscriptions.pauseSubscription({ id }));
    },
    end: resume,
  };
};
