import type { AccountId, Outcome, SubscriptionId } from "@posthaste/domain";
import { byIndex, inState } from "../database/by-index.ts";
import type { Store } from "../database/store.ts";
import { type AttemptsBucket, attemptsOverTime } from "./attempts-over-time.ts";

/** A receiver's recent attempts, and its deliveries that wait. */
export type SubscriptionHealth = {
  readonly attempts: number;
  readonly accepted: number;
  /** The median duration; null if there are no attempts, as for the fields below. */
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly lastOutcome: Outcome | null;
  readonly lastAttemptAt: number | null;
  /** Of its oldest {@link COUNTED_MAX} started deliveries. */
  readonly nextAttemptAt: number | null;
  /** Of the same deliveries, those that have failed and wait for their next attempt, or make it. */
  readonly retrying: number;
  /** This count and `parked` stop at {@link COUNTED_MAX}. */
  readonly pending: number;
  readonly parked: number;
  /** The attempts over time, oldest first and without gaps, and each bucket's length. */
  readonly buckets: readonly AttemptsBucket[];
  readonly bucketMs: number;
};

/** How many of the newest deliveries count as recent: a page's worth, read by one index. */
const DELIVERIES_MAX = 500;
const COUNTED_MAX = 10_000;

/** Returns how a receiver does at present; undefined: not found. */
export async function subscriptionHealth(
  store: Store,
  { accountId, id }: { accountId: AccountId; id: SubscriptionId },
): Promise<SubscriptionHealth | undefined> {
  const { db } = store;
  const known = await db
    .selectFrom("subscriptions")
    .select("id")
    .where("id", "=", id)
    .where("account_id", "=", accountId)
    .executeTakeFirst();
  if (known === undefined) return undefined;
  const recent = db
    .selectFrom(byIndex(store, "deliveries", "deliveries_by_subscription"))
    .select("id")
    .where("subscription_id", "=", id)
    .orderBy("id", "desc")
    .limit(DELIVERIES_MAX);
  const attempts = await db
    .selectFrom(recent.as("d"))
    .innerJoin("attempts as a", "a.delivery_id", "d.id")
    .select(["a.duration_ms", "a.outcome", "a.started_at"])
    .execute();
  const waiting = inState(store, db, { subscriptionId: id, state: "started" })
    .select(["next_attempt_at", "attempts"])
    .limit(COUNTED_MAX);
  const { next, retrying } = await db
    .selectFrom(waiting.as("waiting"))
    .select((eb) => [
      eb.fn.min("next_attempt_at").as("next"),
      eb.fn.count(eb.case().when("attempts", ">", 0).then(1).end()).as("retrying"),
    ])
    .executeTakeFirstOrThrow();
  const count = async (state: "pending" | "parked") => {
    const some = inState(store, db, { subscriptionId: id, state }).select("id").limit(COUNTED_MAX);
    const { counted } = await db
      .selectFrom(some.as("some"))
      .select((eb) => eb.fn.countAll().as("counted"))
      .executeTakeFirstOrThrow();
    return Number(counted);
  };
  const durations = attempts.map((attempt) => attempt.duration_ms).sort((a, b) => a - b);
  const at = (share: number) => durations[Math.ceil(share * durations.length) - 1] ?? null;
  const last = attempts.reduce<(typeof attempts)[number] | undefined>(
    (latest, attempt) => (latest !== undefined && latest.started_at >= attempt.started_at ? latest : attempt),
    undefined,
  );
  return {
    attempts: attempts.length,
    accepted: attempts.filter((attempt) => attempt.outcome === "accepted").length,
    p50Ms: at(0.5),
    p95Ms: at(0.95),
    lastOutcome: last?.outcome ?? null,
    lastAttemptAt: last?.started_at ?? null,
    nextAttemptAt: next === null ? null : Number(next),
    retrying: Number(retrying),
    pending: await count("pending"),
    parked: await count("parked"),
    ...attemptsOverTime(
      attempts.map(({ started_at, outcome }) => ({
        startedAt: started_at,
        isAccepted: outcome === "accepted",
      })),
    ),
  };
}
