import { setTimeout as sleep } from "node:timers/promises";
import { randomFor } from "@posthaste/testkit";
import { type Act, TRAFFIC_KINDS, type TrafficKind } from "../plan.ts";
import type { World } from "../world.ts";
import { erasures } from "./erasures.ts";
import { fanOuts } from "./fan-outs.ts";
import { guests } from "./guests.ts";
import type { Traffic, TrafficMaker } from "./kind.ts";
import { lanes } from "./lanes.ts";
import { moves } from "./moves.ts";
import { pauses } from "./pauses.ts";
import { recoveries } from "./recoveries.ts";
import { retention } from "./retention.ts";

const MAKERS: Readonly<Record<TrafficKind, TrafficMaker>> = {
  "fan-out": fanOuts,
  guest: guests,
  recovery: recoveries,
  pause: pauses,
  move: moves,
  erasure: erasures,
  lane: lanes,
  retention,
};

/**
 * Makes all kinds of traffic ready.
 *
 * @returns `run`, which resolves once every act is done and everything has ended that would not by itself
 */
export async function prepareTraffic(world: World): Promise<{ run(acts: readonly Act[]): Promise<void> }> {
  const kinds = new Map<TrafficKind, Traffic>();
  for (const kind of TRAFFIC_KINDS) kinds.set(kind, await MAKERS[kind](world));
  return {
    async run(acts) {
      const begun = performance.now();
      await Promise.all(
        [...kinds].map(async ([kind, traffic]) => {
          for (const { at, n } of acts.filter((act) => act.kind === kind)) {
            await sleep(Math.max(0, at - (performance.now() - begun)), undefined, {
              signal: world.stop,
            }).catch(() => undefined);
            // Under faults, acts take longer than planned: those that come too late are left out.
            if (world.stop.aborted) break;
            if ((await traffic.isReady?.()) === false) continue;
            const from = Date.now();
            await traffic.act(n, randomFor(world.seed, "act", kind, n));
            world.ledger.acts.push({ kind, n, from, until: Date.now() });
          }
          await traffic.end?.();
        }),
      );
    },
  };
}
