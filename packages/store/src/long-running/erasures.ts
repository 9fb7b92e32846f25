import { type AccountId, type ErasureId, type EventKey, Refusal, type TokenId } from "@posthaste/domain";
import type { Selectable } from "kysely";
import { enter } from "../audit/audit.ts";
import { BY_PROGRAM, type By } from "../audit/by.ts";
import { contractIdOf, sha256 } from "../database/ids.ts";
import type { ListByAccount, PageByAccount } from "../database/list-by-account.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import { type Tx, transact } from "../database/transact.ts";
import { deleteLinks } from "./delete-account.ts";
import { listUnstarted } from "./list-unstarted.ts";

/** An erasure of an account, or of those of its events that have a key. Once completed, it is the receipt. */
export type Erasure = {
  readonly id: ErasureId;
  readonly accountId: AccountId;
  /** Null: the whole account. */
  readonly pointer: string | null;
  /** SHA-256 of the value to look for. The value itself is deleted when the erasure completes. */
  readonly valueHash: Uint8Array | null;
  readonly state: "running" | "completed";
  readonly examined: number;
  readonly events: number;
  readonly deliveries: number;
  readonly attempts: number;
  /** A SHA-256 over the ids of the erased events, in their order. */
  readonly digest: Uint8Array;
  readonly createdAt: number;
  readonly endedAt: number | null;
};

/** Maximum tokens revoked, or links deleted, in one transaction: a platform creates thousands. */
const REVOKED_AT_ONCE = 500;

/** The seal context of the value to look for, which is personal data. */
export const erasureContext = (id: number) => `erasure ${id}`;

/**
 * Creates an erasure, which the worker then carries out. If it is of a whole account, nothing can be stored
 * for the account any more, and all of its tokens are revoked, when this returns.
 *
 * @throws Refusal `not_found` if the account does not exist
 */
export async function createErasure(store: Store, input: NewErasure): Promise<Erasure> {
  const { accountId, key, now } = input;
  const erasure = await transact(store, (tx) => insertErasure(store, tx, input));
  // After it, so that an erasure that begins now deletes what a crash leaves.
  if (key === null) await revokeAccess(store, accountId, now);
  return erasure;
}

type NewErasure = {
  readonly accountId: AccountId;
  /** Null: the whole account. */
  readonly key: EventKey | null;
  readonly now: number;
  readonly by?: By;
};

async function insertErasure(
  store: Store,
  tx: Tx,
  { accountId, key, now, by = BY_PROGRAM }: NewErasure,
): Promise<Erasure> {
  const account = await tx.selectFrom("accounts").select("id").where("id", "=", accountId).executeTakeFirst();
  if (account === undefined) {
    throw new Refusal("not_found", `there is no account ${accountId}`, { field: "account_id" });
  }
  if (key === null) {
    // Waits for the calls that are storing something for the account, and keeps out all later ones. What the
    // erasure does not find then never comes.
    const update = tx.updateTable("accounts").set({ erased_at: now }).where("id", "=", accountId);
    await update.where("erased_at", "is", null).execute();
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
  // Never the value, nor its hash: both may tell whose data it was.
  const after = key === null ? { of: "the account" } : { of: "events", pointer: key.pointer };
  await enter(tx, [{ by, accountId, subject: "erasure", id, after, now }]);
  return erasureOf(
    await tx.selectFrom("erasures").selectAll().where("id", "=", id).executeTakeFirstOrThrow(),
  );
}

/** Deletes an account's links and revokes its tokens, in short transactions. */
async function revokeAccess(store: Store, accountId: AccountId, now: number): Promise<void> {
  // Links first, because this waits for a link that is being opened; its token is then revoked.
  const some = { owner: accountId, limit: REVOKED_AT_ONCE };
  while ((await transact(store, (tx) => deleteLinks(store, tx, some))) === REVOKED_AT_ONCE);
  for (let after: TokenId | undefined = 0 as TokenId; after !== undefined; ) {
    const from: TokenId = after;
    after = await transact(store, async (tx) => {
      const tokens = tx.selectFrom("tokens").select("id").where("account_id", "=", accountId);
      const rows = await tokens.where("id", ">", from).orderBy("id").limit(REVOKED_AT_ONCE).execute();
      const ids = rows.map(({ id }) => id);
      if (ids.length > 0) {
        const update = tx.updateTable("tokens").set({ revoked_at: now }).where("id", "in", ids);
        await update.where("revoked_at", "is", null).execute();
      }
      return ids.length < REVOKED_AT_ONCE ? undefined : ids.at(-1);
    });
  }
}

export async function getErasure(store: Store, id: ErasureId): Promise<Erasure | undefined> {
  const row = await store.db.selectFrom("erasures").selectAll().where("id", "=", id).executeTakeFirst();
  return row && erasureOf(row);
}

/** Lists running erasures whose workflow is not known to run, by account. */
export async function listUnstartedErasures(
  store: Store,
  { now, ...page }: PageByAccount<ErasureId> & { readonly now: number },
): Promise<ListByAccount<ErasureId>> {
  return await listUnstarted(store, { table: "erasures", states: ["running"], now }, page);
}

/** Notes that the erasure's workflow was started. */
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
