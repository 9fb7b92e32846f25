import type { DeliveryState } from "@posthaste/domain";
import { decodeTime } from "ulid";
import { byIndex } from "../database/by-index.ts";
import type { Store } from "../database/store.ts";

/** An overview of all deliveries that wait. */
export type Backlog = {
  /** Each count stops at {@link COUNTED_MAX}. */
  readonly pending: number;
  readonly started: number;
  readonly parked: number;
  /** Started deliveries whose `reconcile_after` has passed: they should have moved minutes ago. */
  readonly overdue: number;
  /** When the oldest pending delivery was created; null: none is pending. */
  readonly oldestPendingAt: number | null;
};

/** Counting reads an index entry per delivery, and beyond this the exact number says no more. */
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
  // Pending deliveries have no `reconcile_after`. Index entries with equal keys are ordered by id, or by
  // insertion.
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
    // Ids begin with the time of their creation.
    oldestPendingAt:
      oldest === undefined ? null : decodeTime(oldest.id.slice(ID_PREFIX.length).toUpperCase()),
  };
}
