import { randomBytes } from "node:crypto";
import type { AccountId, EventId } from "@posthaste/domain";
import type { Store } from "@posthaste/store";
import { idTime } from "./many-deliveries.ts";

const AT_ONCE = 500;
/** The time between events. */
const EVERY_MS = 100;

/** Inserts events up to the present, each with a key of some value. A test could not ingest as many. */
export async function insertEvents(
  store: Store,
  { accountId, count }: { accountId: AccountId; count: number },
): Promise<void> {
  const now = Date.now();
  // One transaction, because a commit for every batch would dominate the time.
  await store.db.transaction().execute(async (tx) => {
    for (let from = 0; from < count; from += AT_ONCE) {
      const rows = Array.from({ length: Math.min(AT_ONCE, count - from) }, (_, i) => {
        const n = from + i;
        const createdAt = now - (count - n) * EVERY_MS;
        return {
          id: `evt_${idTime(createdAt)}${String(n).padStart(16, "0")}` as EventId,
          account_id: accountId,
          event_type: "invoice_sent",
          data: Buffer.from(`{"InvoiceNumber":"N-${n}"}`),
          created_at: createdAt,
        };
      });
      await tx.insertInto("events").values(rows).execute();
      const keys = rows.map(({ id }) => ({
        ...{ account_id: accountId, value_hash: randomBytes(16), event_id: id },
      }));
      await tx.insertInto("event_keys").values(keys).execute();
    }
  });
}
