import type { AccountId, SubscriptionId } from "@posthaste/domain";
import { sql } from "kysely";
import { deleteFirst } from "../database/delete-first.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import type { Tx } from "../database/transact.ts";
import { lockCounting } from "../statistics/count-changes.ts";
import { deleteTurnSlots, lockAllTurns } from "../subscriptions/pace.ts";

/** Rows of one owner in one table. */
type Rows = {
  readonly table: keyof Tables & string;
  /** The column that names the owner. */
  readonly of: string;
  /** A column that follows the owner's in an index. */
  readonly orderBy: string;
};

const LINKS: Rows = { table: "portal_links", of: "account_id", orderBy: "expires_at" };
const TOKENS: Rows = { table: "tokens", of: "account_id", orderBy: "id" };

/**
 * What is left of an account without events, except its subscriptions and event types. Its fan-outs went with
 * their events.
 */
const RECORDS: readonly Rows[] = [
  { table: "idempotency_keys", of: "account_id", orderBy: "key_hash" },
  { table: "recoveries", of: "account_id", orderBy: "id" },
  { table: "statistics", of: "account_id", orderBy: "span_ms" },
  { table: "delivery_changes", of: "account_id", orderBy: "batch" },
];

const OF_SUBSCRIPTION: readonly Rows[] = [
  { table: "subscription_event_types", of: "subscription_id", orderBy: "id" },
  { table: "signing_keys", of: "subscription_id", orderBy: "id" },
];

const VERSIONS: Rows = { table: "event_type_versions", of: "event_type_id", orderBy: "version" };

/** What to delete of which account: at most `limit` rows. */
type OfAccount = { readonly owner: AccountId; readonly limit: number };

/** Subscriptions, or event types, whose rows are deleted one after another in one transaction. */
const OWNERS_AT_ONCE = 20;

/**
 * Deletes links into the console of an account.
 *
 * @param account.limit maximum rows deleted
 * @returns how many were deleted
 */
export async function deleteLinks(store: Store, tx: Tx, { owner, limit }: OfAccount): Promise<number> {
  return await deleteEach(store, tx, [LINKS], { owner, limit });
}

/** Deletes what gives access to an account, like {@link deleteLinks}. */
export async function deleteAccess(store: Store, tx: Tx, { owner, limit }: OfAccount): Promise<number> {
  // Links first: this waits for a link that is being opened, and then finds its token.
  return await deleteEach(store, tx, [LINKS, TOKENS], { owner, limit });
}

/**
 * Deletes what is left of an account whose events are deleted.
 *
 * @param account.limit maximum rows deleted; a few more if subscriptions go with them
 * @returns how many were deleted; fewer than `limit`: nothing is left
 */
export async function deleteRemainder(store: Store, tx: Tx, { owner, limit }: OfAccount): Promise<number> {
  // Else a worker that has read the account's changes would enter its counters again.
  await lockCounting(store, tx);
  let deleted = await deleteEach(store, tx, RECORDS, { owner, limit });
  for (const some of [deleteSubscriptions, deleteEventTypes]) {
    for (let more = 1; more > 0 && deleted < limit; deleted += more) {
      more = await some(store, tx, { owner, limit: limit - deleted });
    }
  }
  // Last: a change in flight holds its thing until its entry is committed.
  return deleted + (await deleteAuditEntries(store, tx, { owner, limit: limit - deleted }));
}

/** Deletes the audit log of an account, except that it was erased, by whom and when. */
async function deleteAuditEntries(store: Store, tx: Tx, { owner, limit }: OfAccount): Promise<number> {
  if (limit === 0) return 0;
  const erasures = await tx
    .selectFrom("erasures")
    .select("id")
    .where("account_id", "=", owner)
    .where("pointer", "is", null)
    .execute();
  const kept = sql.join(erasures.map(({ id }) => String(id)));
  const where = sql`account_id = ${owner} and not (subject = 'erasure' and subject_id in (${kept}))`;
  const deleted = await deleteFirst(store, tx, { table: "audit_entries", where, orderBy: "id", limit });
  if (deleted < limit) {
    // A token of the account itself has a name that somebody chose.
    const own = tx.updateTable("audit_entries").set({ token_name: "erased", token_hint: "" });
    await own.where("account_id", "=", owner).where("actor_account_id", "=", owner).execute();
  }
  return deleted;
}

/** Deletes a subscription last, together with its line: without one, its deliveries could not be claimed. */
async function deleteSubscriptions(store: Store, tx: Tx, { owner, limit }: OfAccount): Promise<number> {
  const rows = await tx
    .selectFrom("subscriptions")
    .select("id")
    .where("account_id", "=", owner)
    .limit(OWNERS_AT_ONCE)
    .execute();
  if (rows.length === 0) return 0;
  let deleted = 0;
  const emptied: SubscriptionId[] = [];
  await lockAllTurns(
    store,
    tx,
    rows.map(({ id }) => id),
  );
  for (const { id } of rows) {
    deleted += await deleteTurnSlots(store, tx, { id, limit: limit - deleted });
    deleted += await deleteEach(store, tx, OF_SUBSCRIPTION, { owner: id, limit: limit - deleted });
    if (deleted >= limit) break;
    emptied.push(id);
  }
  if (emptied.length === 0) return deleted;
  await tx.deleteFrom("turns").where("subscription_id", "in", emptied).execute();
  await tx.deleteFrom("subscriptions").where("id", "in", emptied).execute();
  return deleted + emptied.length;
}

async function deleteEventTypes(store: Store, tx: Tx, { owner, limit }: OfAccount): Promise<number> {
  const rows = await tx
    .selectFrom("event_types")
    .select("id")
    .where("account_id", "=", owner)
    .limit(OWNERS_AT_ONCE)
    .execute();
  let deleted = 0;
  const emptied: number[] = [];
  for (const { id } of rows) {
    deleted += await deleteEach(store, tx, [VERSIONS], { owner: id, limit: limit - deleted });
    if (deleted >= limit) break;
    emptied.push(id);
  }
  if (emptied.length === 0) return deleted;
  await tx.deleteFrom("event_types").where("id", "in", emptied).execute();
  return deleted + emptied.length;
}

async function deleteEach(
  store: Store,
  tx: Tx,
  kinds: readonly Rows[],
  { owner, limit }: { owner: number; limit: number },
): Promise<number> {
  let deleted = 0;
  for (const { table, of, orderBy } of kinds) {
    if (deleted === limit) break;
    const where = sql`${sql.ref(of)} = ${owner}`;
    deleted += await deleteFirst(store, tx, { table, where, orderBy, limit: limit - deleted });
  }
  return deleted;
}
