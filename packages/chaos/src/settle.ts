import { poll } from "@posthaste/testkit";
import { attemptKey, type Facts, type Waiting } from "./checks/facts.ts";
import { workflowsOfEnded } from "./open-workflows.ts";
import { NEVER_ACCEPTS } from "./receivers.ts";
import type { World } from "./world.ts";

/** Twice the two minutes after which the reconciler checks an overdue delivery, the slowest repair. */
const REPAIRED_WITHIN_MS = 240_000;
/** Longer than an attempt takes. */
const DUE_ENDED_WITHIN_MS = 30_000;
const POLL_EVERY_MS = 500;
/** How long a requested attempt may take before it is requested again. */
const ASK_EVERY_MS = 20_000;
const NOTE_EVERY_MS = 20_000;
/** Open deliveries looked at in one round. */
const LOOKED_AT = 1_000;
/** Attempts requested at once. */
const ASKED_AT_ONCE = 10;

/** What settling did and saw. */
export type Settled = Pick<Facts, "asked" | "waiting" | "workflowsOfEnded">;

/**
 * Waits until every delivery has got as far as its receiver allows and nothing else is unfinished, at most
 * four minutes longer than the run took: receivers that hang got more than they can take in that time.
 * Requests the retries that the published schedule would send ten minutes later. Also resolves if the time is
 * up: the findings show what is missing. Then waits for the ends of the workflows of what has ended.
 *
 * @param ranMs how long there was traffic
 */
export async function settle(world: World, ranMs: number, note: (line: string) => void): Promise<Settled> {
  const asked = new Set<string>();
  const waiting: Waiting[] = [];
  const askedAt = new Map<string, number>();
  const ask = async (delivery: Waiting) => {
    const { id, attempts } = delivery;
    // Asking for a retry mends a row with wrong times.
    waiting.push(delivery);
    askedAt.set(id, Date.now());
    asked.add(attemptKey(id, attempts + 1));
    // Erased accounts' deliveries are nobody's, and a call may fail: it is repeated later. A delivery that
    // never moves is in the findings.
    const answers = await Promise.allSettled(
      Object.values(world.callers).map(({ insist }) =>
        insist((client) => client.deliveries.retryDelivery({ id })),
      ),
    );
    for (const answer of answers) {
      // The delivery may have moved on since it was read.
      const attemptsNow = answer.status === "fulfilled" ? answer.value.delivery?.attempts : undefined;
      if (attemptsNow !== undefined) asked.add(attemptKey(id, attemptsNow + 1));
    }
  };
  let notedAt = Date.now();
  const isSettled = async () => {
    const open = await openOf(world);
    const now = Date.now();
    if (now - notedAt >= NOTE_EVERY_MS) {
      notedAt = now;
      note(stillOpen(open));
    }
    const toAsk = open.filter(
      ({ id, state, attempts }) =>
        state === "started" && attempts > 0 && now - (askedAt.get(id) ?? 0) >= ASK_EVERY_MS,
    );
    for (let from = 0; from < toAsk.length; from += ASKED_AT_ONCE) {
      await Promise.all(toAsk.slice(from, from + ASKED_AT_ONCE).map(ask));
    }
    return open.length === 0 && !(await isUnfinished(world));
  };
  await poll(isSettled, { withinMs: ranMs + REPAIRED_WITHIN_MS, everyMs: POLL_EVERY_MS });
  const left = await workflowsOfEnded(world.stack).catch((error) => {
    world.ledger.troubles.push(`Temporal does not tell which workflows are open: ${error}`);
    return [];
  });
  // Retries may have come due meanwhile.
  await poll(isSettled, { withinMs: DUE_ENDED_WITHIN_MS, everyMs: POLL_EVERY_MS });
  return { asked, waiting, workflowsOfEnded: left };
}

function stillOpen(open: readonly Waiting[]): string {
  const [first] = open;
  if (first === undefined) return "waiting for a fan-out, a drain, an end, a recovery or an erasure";
  const { id, state, attempts } = first;
  return `waiting for ${open.length} deliveries; ${id} is ${state} after ${attempts} attempts`;
}

/** Returns the open deliveries, except those that wait for a receiver that never accepts anything. */
async function openOf({ stack, ledger }: World): Promise<Waiting[]> {
  const waiters = [...ledger.subscriptions]
    .filter(([, { character }]) => NEVER_ACCEPTS.has(character))
    .map(([id]) => id);
  const rows = await stack.store.db
    .selectFrom("deliveries")
    .select(["id", "state", "attempts", "next_attempt_at", "reconcile_after"])
    .where("state", "in", ["pending", "started", "parked"])
    .where((eb) =>
      eb.not(
        eb.and([
          eb("subscription_id", "in", waiters as never),
          eb("state", "=", "started"),
          eb("attempts", ">", 0),
          eb("next_attempt_at", ">", Date.now()),
        ]),
      ),
    )
    .limit(LOOKED_AT)
    .execute();
  const at = Date.now();
  return rows.map((row) => ({ ...row, at }));
}

/** Returns whether a fan-out, a drain, an end, a recovery or an erasure is unfinished. */
async function isUnfinished({ stack }: World): Promise<boolean> {
  const { db } = stack.store;
  const found = await Promise.all([
    db.selectFrom("fanouts").select("event_id").limit(1).execute(),
    db
      .selectFrom("subscriptions")
      .select("id")
      .where((eb) => eb.or([eb("draining", "=", 1), eb("ending", "=", 1)]))
      .limit(1)
      .execute(),
    db.selectFrom("recoveries").select("id").where("state", "in", ["running", "paused"]).limit(1).execute(),
    db.selectFrom("erasures").select("id").where("state", "=", "running").limit(1).execute(),
  ]);
  return found.some((rows) => rows.length > 0);
}
