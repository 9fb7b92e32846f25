import type { AccountId, AuditActor, AuditEntryId, AuditSubject, TokenId } from "@posthaste/domain";
import type { Selectable } from "kysely";
import { byIndex, byPrimaryKey, type Indexes } from "../database/by-index.ts";
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

/** How many entries of one filter are examined for the others: reading so many takes milliseconds. */
const EXAMINED_MAX = 2_000;

/**
 * Returns entries, newest first. One filter leads to them by its index; if there are others, a bounded number
 * of entries is searched for them.
 *
 * @returns `examinedTo`: the search stopped at this entry with fewer than `limit` found; continue before it
 */
export async function listAuditEntries(
  store: Store,
  filter: AuditFilter & Page,
): Promise<{ rows: AuditEntry[]; examinedTo: AuditEntryId | undefined }> {
  const { examinedMax = EXAMINED_MAX, limit } = filter;
  const { index, leading, others } = splitFilter(filter);
  const led = () => inOrder(store, { index, leading }, filter);
  if (others.length === 0) {
    const rows = await led().selectAll().limit(limit).execute();
    return { rows: rows.map(entryOf), examinedTo: undefined };
  }
  const examined = led().select("id").limit(examinedMax);
  let query = store.db
    .selectFrom(examined.as("examined"))
    .innerJoin("audit_entries", "audit_entries.id", "examined.id")
    .selectAll("audit_entries")
    .orderBy("audit_entries.id", "desc")
    .limit(limit);
  for (const [column, value] of others) query = query.where(column, "=", value);
  const rows = (await query.execute()).map(entryOf);
  if (rows.length === limit) return { rows, examinedTo: undefined };
  const last = led()
    .select("id")
    .limit(1)
    .offset(examinedMax - 1);
  return { rows, examinedTo: (await last.executeTakeFirst())?.id };
}

/** A column, and the value that it must have. */
type Wanted = readonly [column: keyof typeof COLUMNS, value: never];
const COLUMNS = {
  subject: "subject",
  subject_id: "subjectId",
  token_id: "tokenId",
  account_id: "accountId",
  action: "action",
} as const satisfies Readonly<Record<string, keyof AuditFilter>>;

/** The indexes with the columns that they begin with; the first probably leads to the fewest entries. */
const INDEXES: readonly { index: Indexes["audit_entries"]; columns: readonly (keyof typeof COLUMNS)[] }[] = [
  { index: "audit_entries_by_subject", columns: ["subject", "subject_id"] },
  { index: "audit_entries_by_token", columns: ["token_id"] },
  { index: "audit_entries_by_account", columns: ["account_id"] },
  { index: "audit_entries_by_action", columns: ["action"] },
];

/** Splits a filter into the columns that an index leads by, and the others. */
function splitFilter(filter: AuditFilter) {
  const names = Object.keys(COLUMNS) as (keyof typeof COLUMNS)[];
  const wanted = names.flatMap((column): Wanted[] => {
    const value = filter[COLUMNS[column]];
    return value === undefined ? [] : [[column, value as never]];
  });
  const isWanted = (column: string) => wanted.some(([one]) => one === column);
  const chosen = INDEXES.find(({ columns }) => columns.every(isWanted));
  const leads = ([column]: Wanted) => chosen?.columns.includes(column) === true;
  return { index: chosen?.index, leading: wanted.filter(leads), others: wanted.filter((one) => !leads(one)) };
}

/** Begins a query for the entries that an index leads to, newest first. */
function inOrder(
  { db, seam }: Store,
  { index, leading }: { index: Indexes["audit_entries"] | undefined; leading: readonly Wanted[] },
  { before, from = 0, until }: AuditFilter & Page,
) {
  const table =
    index === undefined ? byPrimaryKey({ seam }, "audit_entries") : byIndex({ seam }, "audit_entries", index);
  let query = db.selectFrom(table).orderBy("id", "desc");
  for (const [column, value] of leading) query = query.where(column, "=", value);
  // Ids begin with the time of their entry, so a range of times is a range of every index.
  query = query.where("id", ">=", leastAuditEntryId(from)).where("created_at", ">=", from);
  if (before !== undefined) query = query.where("id", "<", before);
  if (until !== undefined) {
    query = query.where("id", "<", leastAuditEntryId(until + ID_SLACK_MS)).where("created_at", "<", until);
  }
  return query;
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
