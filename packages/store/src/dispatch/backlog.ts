import type { DeliveryState } from "@posthaste/domain";
import { decodeTime } from "ulid";
import { byIndex } from "../database/by-index.ts";
import type { Store } from "../database/store.ts";

/** What is waiting, at a glance. */
export type Backlog = {
  /** {@link COUNTED_MAX} at most of each. */
  readonly pending: number;
  readonly started: number;
  readonly parked: number;
  /** Started ones that should have moved minutes ago. */
  readonly overdue: number;
  /** Since when the oldest pending one waits; null: none does. */
  readonly oldestPendingAt: number | null;
};

/** Counting reads an index; with more than this the exact number says no more. */
const COUNTED_MAX = 100_000;
const ID_PREFIX = "dlv_";

export async function measureBacklog(store: Store, now: number): Promise<Backlog> {
  const some = (state: DeliveryState) =>
    store.db.selectFrom("deliveries").select("id").where("state", "=", state).limit(COUNTED_MAX);
  const count = async (rows: ReturnType<typeof some>) => {
    const { counted } = await store.db
      .selectFrom(rows.as("some"))
      .select((eb) => eb.fn.countAll().as("counted"))
      .executeTakeFirstOrThrow();
    return Number(counted);
  };
  // None of them has such a time, and entries of an index with equal keys lie by id, or as they were made.
  const oldest = await store.db
    .selectFrom(byIndex(store, "deliveries", "deliveries_overdue"))
    .select("id")
    .where("state", "=", "pending")
    .orderBy("reconcile_after")
    .limit(1)
    .executeTakeFirst();
  return {
    pending: await count(some("pending")),
    started: await count(some("started")),
    parked: await count(some("parked")),
    overdue: await count(some("started").where("reconcile_after", "<=", now)),
    // Ids begin with their time.
    oldestPendingAt:
      oldest === undefined ? null : decodeTime(oldest.id.slice(ID_PREFIX.length).toUpperCase()),
  };
}
