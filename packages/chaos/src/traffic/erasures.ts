import { type Caller, callerFor, EVENT_TYPE, unlessRefused, WIDE_EVENT_TYPE } from "../world.ts";
import { eventNumber, eventOfAct } from "./events.ts";
import type { TrafficMaker } from "./kind.ts";

/** Events of each account that is erased. */
const EVENTS = 20;
/** Its subscriptions, each with a URL of its own. */
const SUBSCRIPTIONS = 3;

/**
 * Accounts that are created, used, and erased while their deliveries are under way. Every call is an
 * administrator's or the account's own, over the API.
 */
export const erasures: TrafficMaker = async (world) => {
  const admin = world.callers.good;
  return {
    async act(n) {
      const { account } = await admin.insist((client) =>
        client.accounts.createAccount({ name: `erased ${n}` }),
      );
      const accountId = account?.id ?? 0;
      const scopes = ["subscriptions:write", "events:write"];
      const { secret } = await admin.insist((client) =>
        client.accounts.createToken({ accountId, name: "erased", scopes }),
      );
      const caller = callerFor(world, accountId as Caller["accountId"], secret);
      await use(caller, `${world.receivers.erased.url}/${n}`, n);
      await admin.insist((client) => client.accounts.eraseAccount({ accountId }));
      await caller.close();
    },
  };
};

async function use({ insist }: Caller, url: string, n: number): Promise<void> {
  for (let i = 0; i < SUBSCRIPTIONS; i++) {
    const call = { targetUrl: `${url}/${i}`, eventTypes: [EVENT_TYPE, WIDE_EVENT_TYPE] };
    // A call that was not answered has subscribed it.
    await unlessRefused(insist((client) => client.subscriptions.createSubscription(call)));
  }
  const events = Array.from({ length: EVENTS }, (_, i) =>
    eventNumber(eventOfAct("erasure", n * EVENTS + i), EVENT_TYPE),
  );
  await insist((client) => client.events.ingestEvents({ events }));
}
