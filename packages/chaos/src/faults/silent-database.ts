import { setTimeout as sleep } from "node:timers/promises";
import type { Injection } from "./injection.ts";

/** Swallows everything between the processes and MySQL, both ways, and lets it through after a while. */
export const silenceDatabase: Injection = async ({ proxy }, { forMs }) => {
  proxy?.silence();
  await sleep(forMs);
  proxy?.heal();
};
