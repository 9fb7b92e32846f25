import type { DeliveryId } from "@posthaste/domain";
import type { Store } from "@posthaste/store";

/** Rows per statement, which a busy machine inserts in time. */
const ROWS_AT_ONCE = 500;

/** Gives a delivery this many copies, as if its account had sent as many events to its subscription. */
export async function copyDelivery({ db }: Store, id: DeliveryId, count: number): Promise<DeliveryId[]> {
  const row = await db.selectFrom("deliveries").selectAll().where("id", "=", id).executeTakeFirstOrThrow();
  const copies = Array.from({ length: count }, (_, n) => ({
    ...row,
    id: `${id.slice(0, -6)}${100_000 + n}` as DeliveryId,
    target_key: Buffer.from(String(n).padStart(32)),
  }));
  for (let from = 0; from < count; from += ROWS_AT_ONCE) {
    const some = copies.slice(from, from + ROWS_AT_ONCE);
    await db.insertInto("deliveries").values(some).execute();
  }
  return copies.map((copy) => copy.id);
}

/** Gives each of these deliveries a subscription of its own, like the one that they have. */
export async function copySubscription({ db }: Store, ids: readonly DeliveryId[]): Promise<void> {
  const row = await db.selectFrom("subscriptions").selectAll().executeTakeFirstOrThrow();
  const turn = await db.selectFrom("turns").selectAll().executeTakeFirstOrThrow();
  const idOf = (n: number) => (row.id + 1 + n) as typeof row.id;
  for (let from = 0; from < ids.length; from += ROWS_AT_ONCE) {
    const numbers = [...ids.keys()].slice(from, from + ROWS_AT_ONCE);
    const copies = numbers.map((n) => ({ ...row, id: idOf(n), key_set: `copy ${n}` }));
    await db.insertInto("subscriptions").values(copies).execute();
    await db
      .insertInto("turns")
      .values(numbers.map((n) => ({ ...turn, subscription_id: idOf(n) })))
      .execute();
  }
  for (const [n, id] of ids.entries()) {
    await db
      .updateTable("deliveries")
      .set({ subscription_id: idOf(n) })
      .where("id", "=", id)
      .execute();
  }
}
