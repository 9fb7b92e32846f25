import type { AccountId, AuditSubject } from "@posthaste/domain";
import { newAuditEntryId } from "../database/ids.ts";
import { insertRows } from "../database/insert-rows.ts";
import type { Tx } from "../database/transact.ts";
import type { By } from "./by.ts";

/**
 * The fields of a thing by their names in the contracts. They hold no secrets: of one, {@link SECRET} says
 * what became of it. Times are in ISO 8601.
 */
export type AuditedFields = Readonly<Record<string, unknown>>;

/** What an entry says of a secret instead of its value. */
export const SECRET = { set: "(set)", changed: "(changed)", removed: "(removed)" } as const;

/** A change to enter. */
export type AuditedChange = {
  readonly by: By;
  /** Whose thing was changed; {@link OF_INSTALLATION}: nobody's. */
  readonly accountId: AccountId;
  readonly subject: AuditSubject;
  readonly id: string | number;
  /** The thing before and after. Only what differs is kept. Default: nothing was there. */
  readonly before?: AuditedFields;
  readonly after?: AuditedFields;
  /** What the change stores for years besides its entry, in bytes. Default: nothing to speak of. */
  readonly storesBytes?: number;
  readonly now: number;
};

/** The account of changes of what belongs to none: shared event types, the installation itself. */
export const OF_INSTALLATION = 0 as AccountId;

/**
 * The longest value of a field that is kept whole, as JSON: 64 event types with codes of usual length. A
 * longer one, such as full metadata, is cut off, so an entry stays below some 30 KB.
 */
const VALUE_CHARS_MAX = 4_096;

/**
 * What an entry takes besides its fields, in bytes: its other columns, and its places in five indexes. MySQL
 * was measured to use 660, SQLite 460.
 */
const ENTRY_BYTES = 700;

/** Enters changes, in the transaction that makes them. A change in which no field differs is left out. */
export async function enter(tx: Tx, changes: readonly AuditedChange[]): Promise<void> {
  const rows = changes.flatMap((change) => {
    const { by, accountId, subject, id, before = {}, after = {}, storesBytes = 0, now } = change;
    const differing = differencesOf(before, after);
    if (differing === undefined) return [];
    const { actor } = by;
    const token = typeof actor === "string" ? undefined : actor;
    const row = {
      id: newAuditEntryId(now),
      account_id: accountId,
      actor: typeof actor === "string" ? actor : ("token" as const),
      actor_account_id: token?.accountId ?? null,
      token_id: token?.tokenId ?? null,
      token_name: token?.name ?? null,
      token_hint: token?.hint ?? null,
      action: by.action,
      subject,
      subject_id: String(id),
      before_json: jsonOf(differing.before),
      after_json: jsonOf(differing.after),
      created_at: now,
    };
    by.charge?.(ENTRY_BYTES + bytesOf(row.before_json) + bytesOf(row.after_json) + storesBytes);
    return [row];
  });
  await insertRows(tx, "audit_entries", rows, ({ before_json: before, after_json: after }) => {
    return (before?.length ?? 0) + (after?.length ?? 0);
  });
}

/** Enters that somebody was shown secrets of a thing, which changes nothing. */
export async function enterDisclosure(
  tx: Tx,
  disclosed: Omit<AuditedChange, "before" | "after">,
): Promise<void> {
  await enter(tx, [{ ...disclosed, after: { secrets: "(shown)" } }]);
}

/** Returns the fields that differ; undefined: none. */
function differencesOf(
  before: AuditedFields,
  after: AuditedFields,
): { before: AuditedFields; after: AuditedFields } | undefined {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const differing = names.filter((name) => textOf(before[name]) !== textOf(after[name]));
  if (differing.length === 0) return undefined;
  const only = (fields: AuditedFields) =>
    Object.fromEntries(
      differing.filter((name) => !isEmpty(fields[name])).map((name) => [name, bounded(fields[name])]),
    );
  return { before: only(before), after: only(after) };
}

/** A field that is empty was not there, or is not there any more: the other side says what it was. */
function isEmpty(value: unknown): boolean {
  return ["null", '""', "[]", "{}"].includes(textOf(value));
}

function textOf(value: unknown): string {
  return JSON.stringify(value ?? null);
}

function bounded(value: unknown): unknown {
  const text = textOf(value);
  if (text.length <= VALUE_CHARS_MAX) return value;
  return `${text.slice(0, VALUE_CHARS_MAX).toWellFormed()}… (${text.length} characters)`;
}

function jsonOf(fields: AuditedFields): string | null {
  return Object.keys(fields).length === 0 ? null : JSON.stringify(fields);
}

function bytesOf(text: string | null): number {
  return text === null ? 0 : Buffer.byteLength(text);
}

/** Returns a time as it is written in an entry. */
export function auditedTime(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString();
}
