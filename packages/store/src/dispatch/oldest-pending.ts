import type { AccountId, DeliveryId, SubscriptionId } from "@posthaste/domain";
import { sql } from "kysely";
import { padded } from "../database/dialect/few-texts.ts";
import type { Store } from "../database/store.ts";
import type { Tx } from "../database/transact.ts";
import type { ClaimNow } from "./claim.ts";
import type { Room } from "./claim-rooms.ts";
import type { Visited } from "./claimed-subscriptions.ts";
import { passesInOrder, waitsInOrder } from "./in-order.ts";

/** The oldest deliveries that a subscription may have claimed. */
export type OldestOf = { readonly subscription: Visited; readonly ids: readonly DeliveryId[] };

/** More than any delivery has. */
const ATTEMPTS_MAX = 1_000;

/**
 * Returns the oldest pending deliveries of each subscription, in the order of the visits: of those in order
 * the first alone, and none while another one's attempt is under way. Those that were attempted before are
 * left out beyond their account's room to start them: first attempts behind them do not wait for it.
 */
export async function oldestOf(
  store: Store,
  tx: Tx,
  rooms: readonly Room[],
  claim: ClaimNow,
): Promise<OldestOf[]> {
  const { roomToStart = () => Number.POSITIVE_INFINITY } = claim;
  const wanted = rooms.filter(({ count }) => count > 0);
  const found = await readOldest(store, tx, wanted, claim);
  const crowded = wanted.filter(
    ({ subscription: { id } }) => (found.get(id) ?? []).filter(waitsInOrder).length > 1,
  );
  // The others in order had the places of deliveries behind them.
  const behind = await readOldest(
    store,
    tx,
    crowded.map((room) => ({ ...room, hasOrdered: true })),
    claim,
  );
  const startsOf = new Map<AccountId, number>();
  return wanted.map(({ subscription, count }) => {
    const { id, account_id: accountId } = subscription;
    const all = found.get(id) ?? [];
    const [first, ...later] = all.filter(waitsInOrder);
    const rows = first === undefined || later.length === 0 ? all : [first, ...(behind.get(id) ?? [])];
    const ids: DeliveryId[] = [];
    for (const row of rows.sort(byId).slice(0, count)) {
      const starts = (startsOf.get(accountId) ?? 0) + (row.attempts > 0 ? 1 : 0);
      if (row.attempts > 0 && starts > roomToStart(accountId)) continue;
      startsOf.set(accountId, starts);
      ids.push(row.id);
    }
    return { subscription, ids };
  });
}

type Row = {
  readonly id: DeliveryId;
  readonly subscription_id: SubscriptionId;
  readonly attempts: number;
  readonly in_order: number;
};

async function readOldest(
  store: Store,
  tx: Tx,
  rooms: readonly Pick<Room, "subscription" | "count" | "hasOrdered">[],
  { now, roomToStart = () => Number.POSITIVE_INFINITY }: ClaimNow,
): Promise<Map<SubscriptionId, Row[]>> {
  if (rooms.length === 0) return new Map();
  const byState = sql.raw(store.seam.byIndex("deliveries_by_state_and_account"));
  // Padding gives one text for several numbers of subscriptions. The last subscription is repeated with a
  // limit of 0.
  const oldest = padded(rooms).map(
    ({ subscription, count, hasOrdered }, i) => sql`select * from (
      select id, subscription_id, attempts, in_order from deliveries ${byState}
      where state = 'pending' and account_id = ${subscription.account_id}
        and subscription_id = ${subscription.id} and (lease_until is null or lease_until < ${now})
        and attempts <= ${roomToStart(subscription.account_id) > 0 ? ATTEMPTS_MAX : 0}
        and ${passesInOrder(hasOrdered)}
      order by id limit ${i < rooms.length ? count : 0}
    ) as oldest`,
  );
  const { rows } = await sql<Row>`${sql.join(oldest, sql` union all `)}`.execute(tx);
  return Map.groupBy(rows, (row) => row.subscription_id);
}

function byId(one: Row, other: Row): number {
  return one.id < other.id ? -1 : 1;
}
