import type { AccountId, AuditActor, AuditEntryId, AuditSubject, TokenId } from "@posthaste/domain";
import type { Selectable } from "kysely";
import { byIndex, byPrimaryKey } from "../database/by-index.ts";
import { ID_SLACK_MS, leastAuditEntryId } from "../database/ids.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import type { TokenActor } from "./by.ts";

/** Who changed what, and when. */
export type AuditEntry = {
  readonly id: AuditEntryId;
  /** 0: nobody's thing was changed. */
  readonly accountId: AccountId;
  readonly actor: Exclude<AuditActor, "token"> | TokenActor;
  readonly action: string;
  readonly subject: AuditSubject;
  readonly subjectId: string;
  /** JSON: the fields that changed; empty: nothing was there before. */
  readonly beforeJson: string;
  /** JSON; empty: nothing is there any more. */
  readonly afterJson: string;
  readonly createdAt: number;
};

/** Which entries are wanted. Default: all. */
export type AuditFilter = {
  readonly accountId?: AccountId;
  readonly action?: string;
  readonly subject?: AuditSubject;
  readonly subjectId?: string;
  readonly tokenId?: TokenId;
  /** Inclusive. */
  readonly from?: number;
  /** Exclusive. */
  readonly until?: number;
};

type Page = {
  readonly before?: AuditEntryId;
  readonly limit: number;
  /** How many entries are examined. Default: {@link EXAMINED_MAX} */
  readonly examinedMax?: number;
};

/** How many entries of one filter are examined for those of the others: reading so many takes milliseconds. */
const EXAMINED_MAX = 10_000;

/**
 * Returns entries, newest first. One filter leads to them by its index, and they are searched for the others.
 *
 * @returns `examinedTo`: the search stopped at this entry with fewer than `limit` found; continue before it
 */
export async function listAuditEntries(
  store: Store,
  filter: AuditFilter & Page,
): Promise<{ rows: AuditEntry[]; examinedTo: AuditEntryId | undefined }> {
  const { examinedMax = EXAMINED_MAX, limit } = filter;
  const examined = led(store, filter).select("id").limit(examinedMax);
  let query = store.db
    .selectFrom(examined.as("examined"))
    .innerJoin("audit_entries", "audit_entries.id", "examined.id")
    .selectAll("audit_entries")
    .orderBy("audit_entries.id", "desc")
    .limit(limit);
  const { accountId, action, subject, subjectId, tokenId, from, until } = filter;
  if (accountId !== undefined) query = query.where("account_id", "=", accountId);
  if (action !== undefined) query = query.where("action", "=", action);
  if (subject !== undefined) query = query.where("subject", "=", subject);
  if (subjectId !== undefined) query = query.where("subject_id", "=", subjectId);
  if (tokenId !== undefined) query = query.where("token_id", "=", tokenId);
  if (from !== undefined) query = query.where("created_at", ">=", from);
  if (until !== undefined) query = query.where("created_at", "<", until);
  const rows = (await query.execute()).map(entryOf);
  if (rows.length === limit) return { rows, examinedTo: undefined };
  const last = led(store, filter)
    .select("id")
    .limit(1)
    .offset(examinedMax - 1);
  return { rows, examinedTo: (await last.executeTakeFirst())?.id };
}

/** Returns a query for the entries to examine, by the index that leads to the fewest. */
function led(store: Store, { before, from, until, ...filter }: AuditFilter & Page) {
  let query = indexed(store, filter).orderBy("id", "desc");
  if (before !== undefined) query = query.where("id", "<", before);
  // Ids begin with the time of their entry, so a range of times is a range of every index.
  if (from !== undefined) query = query.where("id", ">=", leastAuditEntryId(from));
  if (until !== undefined) query = query.where("id", "<", leastAuditEntryId(until + ID_SLACK_MS));
  return query;
}

function indexed({ db, seam }: Store, { accountId, action, subject, subjectId, tokenId }: AuditFilter) {
  const by = (index: "account" | "action" | "subject" | "token") =>
    db.selectFrom(byIndex({ seam }, "audit_entries", `audit_entries_by_${index}`));
  if (subject !== undefined && subjectId !== undefined) {
    return by("subject").where("subject", "=", subject).where("subject_id", "=", subjectId);
  }
  if (tokenId !== undefined) return by("token").where("token_id", "=", tokenId);
  if (accountId !== undefined) return by("account").where("account_id", "=", accountId);
  if (action !== undefined) return by("action").where("action", "=", action);
  return db.selectFrom(byPrimaryKey({ seam }, "audit_entries"));
}

function entryOf(row: Selectable<Tables["audit_entries"]>): AuditEntry {
  return {
    id: row.id,
    accountId: row.account_id,
    actor: row.actor === "token" ? tokenOf(row) : row.actor,
    action: row.action,
    subject: row.subject,
    subjectId: row.subject_id,
    beforeJson: row.before_json ?? "",
    afterJson: row.after_json ?? "",
    createdAt: row.created_at,
  };
}

function tokenOf(row: Selectable<Tables["audit_entries"]>): TokenActor {
  const { actor_account_id: accountId, token_id: tokenId, token_name: name, token_hint: hint } = row;
  if (accountId === null || tokenId === null) throw new Error(`the audit entry ${row.id} names no token`);
  return { accountId, tokenId, name: name ?? "", hint: hint ?? "" };
}
