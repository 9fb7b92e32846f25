import { setTimeout as sleep } from "node:timers/promises";
import type { Fault, FaultKind } from "../plan.ts";
import type { Ledger } from "../world.ts";
import { fillDisk } from "./full-disk.ts";
import type { Injection, Machinery } from "./injection.ts";
import { lockDatabase } from "./locked-database.ts";
import { beAway, childOf, killProcess, pauseProcess } from "./processes.ts";
import { refuseFlushes } from "./refused-flush.ts";
import { silenceDatabase } from "./silent-database.ts";
import { stallLogs } from "./stalled-log.ts";

const INJECTIONS: Readonly<Record<FaultKind, Injection>> = {
  kill: killProcess,
  away: beAway,
  pause: pauseProcess,
  lock: lockDatabase,
  silence: silenceDatabase,
  fill: fillDisk,
  stall: stallLogs,
  refuse: refuseFlushes,
};

/**
 * Carries out a plan. A process that an earlier fault has not let start yet, as on a busy machine, is left
 * alone: its fault is left out, and the others keep their times.
 *
 * @param done.faults gets the faults that took place
 * @returns once every fault is over, and every process runs again
 */
export async function injectFaults(
  machinery: Machinery,
  plan: readonly Fault[],
  { faults }: Pick<Ledger, "faults">,
  onFault: (fault: Fault) => void,
): Promise<void> {
  const begun = performance.now();
  await Promise.all(
    plan.map(async (fault) => {
      await sleep(Math.max(0, fault.at - (performance.now() - begun)));
      const child = childOf(machinery, fault.target);
      if (child !== undefined && machinery.supervisor.isDown(child)) return;
      onFault(fault);
      const from = Date.now();
      await INJECTIONS[fault.kind](machinery, fault);
      faults.push({ ...fault, from, until: Date.now() });
    }),
  );
}
