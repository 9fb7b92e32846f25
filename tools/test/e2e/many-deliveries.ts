import { randomBytes } from "node:crypto";
import type { AccountId, DeliveryId, EventId, SubscriptionId } from "@posthaste/domain";
import type { Store } from "@posthaste/store";

const AT_ONCE = 500;
const CHARS = "0123456789abcdefghjkmnpqrstvwxyz";
const TYPES = ["invoice_sent", "contact_created", "project_updated"];
/** The time between deliveries. */
const EVERY_MS = 1_000;

/** Inserts ended deliveries up to the present. A test could not send as many. */
export async function insertDeliveries(
  store: Store,
  {
    accountId,
    subscriptionId,
    count,
  }: { accountId: AccountId; subscriptionId: SubscriptionId; count: number },
): Promise<void> {
  const now = Date.now();
  // One transaction, because a commit for every batch would dominate the time.
  await store.db.transaction().execute(async (tx) => {
    for (let from = 0; from < count; from += AT_ONCE) {
      const rows = Array.from({ length: Math.min(AT_ONCE, count - from) }, (_, i) => {
        const n = from + i;
        const createdAt = now - (count - n) * EVERY_MS;
        const isExhausted = n % 50 === 0;
        return {
          id: `dlv_${idTime(createdAt)}${String(n).padStart(16, "0")}` as DeliveryId,
          account_id: accountId,
          event_id: `evt_${idTime(createdAt)}${String(n).padStart(16, "0")}` as EventId,
          event_type: TYPES[n % TYPES.length] ?? "",
          subscription_id: subscriptionId,
          target_key: randomBytes(32),
          state: isExhausted ? ("exhausted" as const) : ("succeeded" as const),
          attempts: isExhausted ? 14 : 1,
          last_outcome: isExhausted ? ("status" as const) : ("accepted" as const),
          last_status: isExhausted ? 503 : 200,
          test: 0,
          created_at: createdAt,
          started_at: createdAt,
          ended_at: createdAt + 100,
        };
      });
      await tx.insertInto("deliveries").values(rows).execute();
    }
  });
}

/** Encodes a time in milliseconds as in a ULID: ten characters of Crockford's base 32. */
export function idTime(at: number): string {
  let rest = at;
  let chars = "";
  for (let i = 0; i < 10; i += 1) {
    chars = CHARS.charAt(rest % 32) + chars;
    rest = Math.floor(rest / 32);
  }
  return chars;
}
