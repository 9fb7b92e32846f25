import type { Stack } from "@posthaste/stack";
import { createSubscription } from "@posthaste/store";
import { WIDE_EVENT_TYPE } from "../world.ts";
import { eventOfAct, sendEvent } from "./events.ts";
import type { TrafficMaker } from "./kind.ts";

/** Subscriptions created at once. */
const AT_ONCE = 20;

/** So many deliveries of earlier fan-outs may still wait for their first attempt when the next one begins. */
const WAITING_MAX = 500;

/**
 * Returns whether the last fan-out is still under way. A slow machine delivers fewer than the plan could ask
 * for, and the run would end with more than can be delivered while it waits. Those that were started wait,
 * too: in Temporal, where they hold up everybody's on a slow machine.
 */
async function isBehind({ store: { db } }: Stack): Promise<boolean> {
  const waiting = db
    .selectFrom("deliveries")
    .select("id")
    .where("state", "in", ["pending", "started"])
    .where("attempts", "=", 0)
    .where("event_type", "=", WIDE_EVENT_TYPE)
    .limit(WAITING_MAX);
  const under = await Promise.all([waiting.execute(), db.selectFrom("fanouts").select("event_id").execute()])
    // The database may be what fails at the moment.
    .catch(() => undefined);
  return under === undefined || under[0].length === WAITING_MAX || under[1].length > 0;
}

/**
 * Events of the hostile account to thousands of subscriptions: more than one ingest call creates deliveries
 * for. Its subscriptions are created in the database, since the calls would take longer than the run.
 */
export const fanOuts: TrafficMaker = async (world) => {
  const { stack, callers, receivers, ledger, wide } = world;
  const { accountId } = callers.hostile;
  const create = async (i: number) => {
    const options = { acceptance: "OK_ONLY", credential: null, timeoutMs: null, now: Date.now() } as const;
    const targetUrl = `${receivers.wide.url}/${i}`;
    const { id, signingKey } = await createSubscription(stack.store, {
      ...{ accountId, targetUrl, eventTypes: [WIDE_EVENT_TYPE], ...options },
    });
    const known = { character: "wide", account: "hostile", eventType: WIDE_EVENT_TYPE } as const;
    ledger.subscriptions.set(id, { ...known, knownAt: Date.now(), secret: signingKey.secret });
  };
  for (let from = 0; from < wide; from += AT_ONCE) {
    const some = Math.min(AT_ONCE, wide - from);
    await Promise.all(Array.from({ length: some }, (_, i) => create(from + i)));
  }
  return {
    isReady: async () => !(await isBehind(stack)),
    act: async (n) =>
      await sendEvent(world, "hostile", { n: eventOfAct("fan-out", n), eventType: WIDE_EVENT_TYPE }),
  };
};
