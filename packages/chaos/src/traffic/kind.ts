import type { Random } from "@posthaste/testkit";
import type { World } from "../world.ts";

/** A kind of traffic of one run. */
export type Traffic = {
  /** Returns whether the next act may begin; if not, it is left out. Default: it always may. */
  isReady?(): Promise<boolean>;
  /** Does what is planned for one moment. `n`: 0 for the first time. */
  act(n: number, random: Random): Promise<void>;
  /** Ends what would never end by itself, such as a pause. Default: nothing does. */
  end?(): Promise<void>;
};

/** Makes a kind of traffic ready, before the faults begin. */
export type TrafficMaker = (world: World) => Promise<Traffic>;
