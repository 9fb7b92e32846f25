import type { AccountId } from "@posthaste/domain";
import type { AliasedExpression } from "kysely";
import { byIndex } from "../database/by-index.ts";
import type { Store } from "../database/store.ts";

/** How many pieces of upkeep are not finished, by kind. Each count stops at {@link COUNTED_MAX}. */
export type UnfinishedUpkeep = {
  /** Events whose deliveries are not all created. */
  readonly fan_out: number;
  /** Subscriptions whose parked deliveries are not all pending again. */
  readonly drain: number;
  /** Subscriptions that have ended and still have open deliveries. */
  readonly end: number;
};

/** Counting reads an index entry per piece, and beyond this the exact number says no more. */
const COUNTED_MAX = 10_000;

export async function measureUpkeep(store: Store): Promise<UnfinishedUpkeep> {
  const { db } = store;
  const fanouts = db
    .selectFrom(byIndex(store, "fanouts", "fanouts_by_account"))
    .select("account_id")
    .limit(COUNTED_MAX);
  const marked = (mark: "draining" | "ending") =>
    db
      .selectFrom(byIndex(store, "subscriptions", `subscriptions_${mark}_by_account`))
      .select("account_id")
      .where(mark, "=", 1)
      .limit(COUNTED_MAX);
  const count = async (some: AliasedExpression<{ account_id: AccountId }, "some">) => {
    const counting = db.selectFrom(some).select((eb) => eb.fn.countAll().as("counted"));
    return Number((await counting.executeTakeFirstOrThrow()).counted);
  };
  return {
    fan_out: await count(fanouts.as("some")),
    drain: await count(marked("draining").as("some")),
    end: await count(marked("ending").as("some")),
  };
}
