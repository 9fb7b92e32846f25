import { Lane } from "@posthaste/contracts/account";
import type { AccountName } from "../world.ts";
import type { TrafficMaker } from "./kind.ts";

/** Moves one of the accounts to another lane. */
export const lanes: TrafficMaker = async ({ callers }) => ({
  async act(_n, random) {
    const { accountId } = callers[random.pick<AccountName>(["good", "hostile"])];
    const lane = random.pick([Lane.WORKFLOW, Lane.DIRECT]);
    await callers.good.insist((client) => client.accounts.setLane({ accountId, lane }));
  },
});
