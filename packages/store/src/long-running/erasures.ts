import { type AccountId, type ErasureId, type EventKey, Refusal } from "@posthaste/domain";
import type { Selectable } from "kysely";
import { contractIdOf, sha256 } from "../database/ids.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import { transact } from "../database/transact.ts";

/** The erasing of an account, or of its events that have a key; once completed, the receipt of it. */
export type Erasure = {
  readonly id: ErasureId;
  readonly accountId: AccountId;
  /** Null: the whole account. */
  readonly pointer: string | null;
  /** SHA-256 of the value that was looked for; the value itself goes with the end. */
  readonly valueHash: Uint8Array | null;
  readonly state: "running" | "completed";
  readonly examined: number;
  readonly events: number;
  readonly deliveries: number;
  readonly attempts: number;
  /** A SHA-256 over the ids of what was erased, in its order. */
  readonly digest: Uint8Array;
  readonly createdAt: number;
  readonly endedAt: number | null;
};

/** How long a workflow may be silent before it is started once more, which is harmless where it runs. */
const WORKFLOW_CHECK_MS = 60_000;

/** What the value that events are found by is sealed for: it is personal data. */
export const erasureContext = (id: number) => `erasure ${id}`;

/**
 * Writes down what is to be erased; the worker does it. With a whole account its tokens are revoked at once.
 *
 * @throws Refusal `not_found` where there is no such account
 */
export async function createErasure(
  store: Store,
  { accountId, key, now }: { accountId: AccountId; key: EventKey | null; now: number },
): Promise<Erasure> {
  return await transact(store, async (tx) => {
    const account = await tx
      .selectFrom("accounts")
      .select("id")
      .where("id", "=", accountId)
      .executeTakeFirst();
    if (account === undefined) {
      throw new Refusal("not_found", `there is no account ${accountId}`, { field: "account_id" });
    }
    if (key === null) {
      // First: a link that is being opened is waited for, and its token revoked.
      await tx.deleteFrom("portal_links").where("account_id", "=", accountId).execute();
      await tx
        .updateTable("tokens")
        .set({ revoked_at: now })
        .where("account_id", "=", accountId)
        .where("revoked_at", "is", null)
        .execute();
    }
    const { insertId } = await tx
      .insertInto("erasures")
      .values({
        account_id: accountId,
        pointer: key?.pointer ?? null,
        sealed_value: null,
        value_hash: key === null ? null : sha256(key.value),
        state: "running",
        cursor_id: "",
        examined: 0,
        events: 0,
        deliveries: 0,
        attempts: 0,
        digest: sha256(),
        workflow_at: null,
        created_at: now,
        ended_at: null,
      })
      .executeTakeFirstOrThrow();
    const id = contractIdOf<ErasureId>(insertId);
    if (key !== null) {
      const sealed = store.sealer.seal(key.value, erasureContext(id));
      await tx.updateTable("erasures").set({ sealed_value: sealed }).where("id", "=", id).execute();
    }
    return erasureOf(
      await tx.selectFrom("erasures").selectAll().where("id", "=", id).executeTakeFirstOrThrow(),
    );
  });
}

export async function getErasure(store: Store, id: ErasureId): Promise<Erasure | undefined> {
  const row = await store.db.selectFrom("erasures").selectAll().where("id", "=", id).executeTakeFirst();
  return row && erasureOf(row);
}

/** Erasures that are not over and whose workflow is not known to run. */
export async function listUnstartedErasures(
  store: Store,
  { now, limit }: { now: number; limit: number },
): Promise<Erasure[]> {
  const rows = await store.db
    .selectFrom("erasures")
    .selectAll()
    .where("state", "=", "running")
    .where((eb) => eb.or([eb("workflow_at", "is", null), eb("workflow_at", "<", now - WORKFLOW_CHECK_MS)]))
    .limit(limit)
    .execute();
  return rows.map(erasureOf);
}

/** Its workflow was started. */
export async function markErasureStarted(
  store: Store,
  { id, now }: { id: ErasureId; now: number },
): Promise<void> {
  await store.db.updateTable("erasures").set({ workflow_at: now }).where("id", "=", id).execute();
}

export function erasureOf(row: Selectable<Tables["erasures"]>): Erasure {
  return {
    id: row.id,
    accountId: row.account_id,
    pointer: row.pointer,
    valueHash: row.value_hash,
    state: row.state,
    examined: row.examined,
    events: row.events,
    deliveries: row.deliveries,
    attempts: row.attempts,
    digest: row.digest,
    createdAt: row.created_at,
    endedAt: row.ended_at,
  };
}
