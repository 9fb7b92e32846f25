import type { AccountId } from "@posthaste/domain";
import { type RawBuilder, sql } from "kysely";
import type { Indexes } from "./by-index.ts";
import { roundRobin } from "./round-robin.ts";
import type { Store } from "./store.ts";

/** Where a list of pieces of work begins, so that accounts and each account's pieces take turns. */
export type PageByAccount<Id> = {
  /** The account after which the list begins. Default: it begins with the first. */
  readonly afterAccount?: AccountId | undefined;
  /** The piece after which an account's pieces begin. Default: they begin with its first. */
  readonly afterOf?: (id: AccountId) => Id | undefined;
  /** Maximum pieces. */
  readonly limit: number;
};

/** Pieces of work, by account. */
export type ListByAccount<Id> = {
  readonly accounts: readonly PiecesOf<Id>[];
  /** No account after these has any. */
  readonly isLast: boolean;
};

/** Some pieces of an account, in order. */
export type PiecesOf<Id> = {
  readonly accountId: AccountId;
  readonly ids: readonly Id[];
  /** The account has none after these. */
  readonly isAll: boolean;
};

/** How a kind of work is found. Each is a short walk along an index. */
export type ByAccount<Id> = {
  /** Returns the first account after this one that has pieces. */
  readonly nextAccount: (after: number) => Promise<AccountId | undefined>;
  /** Returns the first pieces of an account after `after`. */
  readonly piecesOf: (page: {
    accountId: AccountId;
    after: Id | undefined;
    limit: number;
  }) => Promise<readonly Id[]>;
};

/** Accounts in a list. Each costs two statements, of which the round trip is most. */
const ACCOUNTS_AT_ONCE = 16;

/**
 * Lists pieces of work account by account: one of each if there are more accounts than one list holds, and
 * otherwise equal parts of the limit. However many pieces an account has, they hide nobody's.
 */
export async function listByAccount<Id>(
  { nextAccount, piecesOf }: ByAccount<Id>,
  { afterAccount, afterOf = () => undefined, limit }: PageByAccount<Id>,
): Promise<ListByAccount<Id>> {
  const found: AccountId[] = [];
  let next = await nextAccount(afterAccount ?? 0);
  for (; next !== undefined && found.length < Math.min(ACCOUNTS_AT_ONCE, limit); ) {
    found.push(next);
    next = await nextAccount(next);
  }
  const isLast = next === undefined;
  const each = isLast && afterAccount === undefined ? Math.floor(limit / Math.max(1, found.length)) : 1;
  const accounts: PiecesOf<Id>[] = [];
  for (const accountId of found) {
    const ids = await piecesOf({ accountId, after: afterOf(accountId), limit: each + 1 });
    accounts.push({ accountId, ids: ids.slice(0, each), isAll: ids.length <= each });
  }
  return { accounts, isLast };
}

/**
 * Finds pieces along an index that leads, under the condition, from account to account and in each from piece
 * to piece.
 *
 * @param of.where which rows of the table are pieces. Default: all
 * @param of.column the column with the piece's id
 * @param of.least less than every id
 */
export function alongIndex<T extends keyof Indexes, Id>(
  { db, seam }: Pick<Store, "db" | "seam">,
  of: {
    readonly table: T;
    readonly index: Indexes[T];
    readonly where?: RawBuilder<unknown>;
    readonly column: string;
    readonly least: Id;
  },
): ByAccount<Id> {
  const { table, index, where = sql`1 = 1`, least } = of;
  const column = sql.ref(of.column);
  const pieces = sql`from ${sql.table(table)} ${sql.raw(seam.byIndex(index))} where ${where}`;
  return {
    async nextAccount(after) {
      const query = sql<{ account_id: AccountId }>`
        select account_id ${pieces} and account_id > ${after} order by account_id limit 1`;
      return (await query.execute(db)).rows[0]?.account_id;
    },
    async piecesOf({ accountId, after = least, limit }) {
      const query = sql<{ id: Id }>`
        select ${column} as id ${pieces} and account_id = ${accountId} and ${column} > ${after}
        order by ${column} limit ${limit}`;
      return (await query.execute(db)).rows.map(({ id }) => id);
    },
  };
}

/** Returns the first piece of each account, then the second of each, and so on. */
export function piecesInTurns<Id>({ accounts }: ListByAccount<Id>): { accountId: AccountId; id: Id }[] {
  return [...roundRobin(accounts.map(({ accountId, ids }) => ids.map((id) => ({ accountId, id }))))];
}
