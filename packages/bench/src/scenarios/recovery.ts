import { Complaint } from "@posthaste/runtime/terminal";
import { createMeter } from "../measure/meter.ts";
import { plainFigure } from "../report/figure.ts";
import type { Scenario } from "../scenario.ts";
import { recoverThroughTrouble } from "./recover-through-trouble.ts";

const DELIVERIES = 20_000;
const QUICK_DELIVERIES = 300;

export const recovery: Scenario = {
  name: "recovery",
  about: "20,000 failed deliveries recovered while a worker is killed and the recovery is paused",
  inLanes: true,
  workers: 2,
  async *run(room, sizes) {
    const count = sizes.deliveries ?? (sizes.quick ? QUICK_DELIVERIES : DELIVERIES);
    const meter = createMeter(room.processes);
    meter.start();
    const result = await recoverThroughTrouble(room.stack, count);
    meter.stop(count);
    const { missed, twice, madeWhilePaused, repeatedRequests, seconds } = result;
    if (missed + twice + madeWhilePaused > 0) {
      throw new Complaint(
        `of ${count} events, ${missed} were missed and ${twice} recovered twice; ${madeWhilePaused} deliveries were created while the recovery was paused`,
      );
    }
    const note = `${count} deliveries, none missed, none twice; ${repeatedRequests} requests repeated by the kill`;
    const naming = { scenario: "recovery", name: "recovered", item: "delivery", inLanes: true, note };
    const rate = { unit: "deliveries/s", better: "more" as const, values: [count / seconds] };
    yield plainFigure(room, naming, { ...rate, ...meter.costs() });
  },
};
