import type { AccountId, SubscriptionId } from "@posthaste/domain";
import { type RawBuilder, sql } from "kysely";
import { padded } from "../database/dialect/few-texts.ts";
import { roundRobin } from "../database/round-robin.ts";
import type { Store } from "../database/store.ts";
import type { ClaimRotation } from "./claim-rotation.ts";

/** A subscription with pending deliveries. */
export type Pending = { readonly accountId: AccountId; readonly id: SubscriptionId };

/** Accounts in the order of their turns, and for each some of its subscriptions with pending deliveries. */
export type PendingGroup = ReadonlyMap<AccountId, readonly SubscriptionId[]>;

/**
 * Pending rows read at once: this takes half a millisecond, and without a backlog there are hardly more. They
 * belong to fewer than 1,000 subscriptions, so that a statement may list these: MariaDB turns a longer list
 * into a table to join.
 */
const ROWS_AT_ONCE = 900;
/** Accounts that share one claim. Each further one costs jumps, and the next claim continues after them. */
const ACCOUNTS_AT_ONCE = 16;
/** With jumps, as many subscriptions are found as one transaction visits. */
const FOUND_AT_ONCE = 64;
/** Jumps per statement. Sixteen cost little more than one, of which the round trip is most. */
const JUMPS_AT_ONCE = 16;
/** Statements with jumps for one group. Where ids are far apart, each statement may find only one. */
const STATEMENTS_MAX = 8;

/**
 * Yields the subscriptions with pending deliveries, account by account: from the account whose turn it is, to
 * the last, then from the first; and in the same way the subscriptions of each. Every account has some of its
 * subscriptions yielded before any has more. The cost depends neither on the number of pending rows nor on
 * the database's statistics.
 *
 * Without a backlog, reading the first rows once shows all of these subscriptions. Otherwise some
 * subscriptions have many rows, and the search jumps over them to find the others.
 *
 * @param isWanted whether the subscriptions of an account are wanted; asked again before each of its groups
 */
export async function* pendingSubscriptions(
  store: Store,
  rotation: ClaimRotation,
  isWanted: (id: AccountId) => boolean = () => true,
): AsyncGenerator<PendingGroup, void> {
  const first = await firstRows(store);
  if (first.count < ROWS_AT_ONCE) {
    const { found } = first;
    const group = new Map(
      rotation
        .accountsInTurn([...found.keys()])
        .filter(isWanted)
        .map((id) => [id, rotation.subscriptionsInTurn(id, found.get(id) ?? [])]),
    );
    if (group.size > 0) yield group;
    return;
  }
  // A few subscriptions with that many rows are mostly enough, so an account's first group takes no jumps.
  const begun: Search[][] = [];
  for await (const accounts of accountsAfter(store, rotation.afterAccount)) {
    const searches = accounts.filter(isWanted).map((id): Search => {
      const start = rotation.afterSubscription(id);
      return { accountId: id, start, after: start, isSecondLap: start === 0 };
    });
    const { group, ended } = await nextGroup(store, searches, { first, foundMin: 1 });
    if (group.size > 0) yield group;
    begun.push(searches.filter((search) => !ended.has(search)));
  }
  for (let left = begun; left.length > 0; ) {
    const goingOn: Search[][] = [];
    for (const some of left) {
      const searches = some.filter(({ accountId }) => isWanted(accountId));
      if (searches.length === 0) continue;
      const { group, ended } = await nextGroup(store, searches, { first, foundMin: FOUND_AT_ONCE });
      if (group.size > 0) yield group;
      goingOn.push(searches.filter((search) => !ended.has(search)));
    }
    left = goingOn;
  }
}

/**
 * Yields all accounts with pending rows, some at a time: those after `start` and then, in a second lap, the
 * others. The last of the first lap share a group with the first of the second, or the claim would be shared
 * out among fewer.
 */
async function* accountsAfter(store: Store, start: number): AsyncGenerator<AccountId[], void> {
  let group: AccountId[] = [];
  const laps = [{ after: start, upTo: Number.POSITIVE_INFINITY }];
  if (start > 0) laps.push({ after: 0, upTo: start });
  for (const lap of laps) {
    for (let isLast = false; !isLast; ) {
      const found = await nextAccounts(store, lap.after, ACCOUNTS_AT_ONCE - group.length);
      const ofLap = found.ids.filter((id) => id <= lap.upTo);
      group.push(...ofLap);
      lap.after = found.ids.at(-1) ?? lap.after;
      isLast = found.isLast || ofLap.length < found.ids.length;
      if (group.length < ACCOUNTS_AT_ONCE) continue;
      yield group;
      group = [];
    }
  }
  if (group.length > 0) yield group;
}

/** Returns the first subscription of each account, then the second of each, and so on. */
export function inTurns(group: PendingGroup): Pending[] {
  return [...roundRobin([...group].map(([accountId, ids]) => ids.map((id) => ({ accountId, id }))))];
}

/** How far the search for an account's subscriptions has come. */
type Search = {
  readonly accountId: AccountId;
  /** Where it began. The second lap, from the account's first subscription, ends here. */
  readonly start: number;
  after: number;
  isSecondLap: boolean;
};

async function nextGroup(
  store: Store,
  searches: readonly Search[],
  { first, foundMin }: { first: PendingRows; foundMin: number },
): Promise<{ group: PendingGroup; ended: ReadonlySet<Search> }> {
  // In the order of the accounts' turns, whichever of them something is found of first.
  const idsOf = new Map(searches.map(({ accountId }): [AccountId, SubscriptionId[]] => [accountId, []]));
  const ended = new Set<Search>();
  const take = (search: Search, found: readonly SubscriptionId[], isLast: boolean) => {
    const { accountId, start, isSecondLap } = search;
    const ids = isSecondLap && start > 0 ? found.filter((id) => id <= start) : found;
    search.after = ids.at(-1) ?? search.after;
    idsOf.get(accountId)?.push(...ids);
    if (!isLast && ids.length === found.length) return;
    if (isSecondLap) ended.add(search);
    else Object.assign(search, { isSecondLap: true, after: 0 });
  };
  // The next rows of some accounts are among the first rows of all.
  const cutOff = [...first.found.keys()].at(-1);
  const knownOf = ({ accountId, after }: Search) => {
    const ids = first.found.get(accountId)?.filter((id) => id > after);
    return ids?.length === 0 && accountId === cutOff ? undefined : ids;
  };
  // An account whose first lap holds nothing more begins its second at once: in the next group it would come
  // too late, if the others fill the claim.
  for (let left = searches; left.length > 0; ) {
    const unknown = left.filter((search) => knownOf(search) === undefined);
    const limit = Math.ceil(ROWS_AT_ONCE / Math.max(1, unknown.length));
    const next = await nextRows(store, unknown, limit);
    for (const search of left) {
      const { accountId } = search;
      const known = knownOf(search);
      if (known !== undefined) take(search, known, accountId !== cutOff);
      else take(search, next.found.get(accountId) ?? [], next.countOf(accountId) < limit);
    }
    left = left.filter((search) => !ended.has(search) && idsOf.get(search.accountId)?.length === 0);
  }
  for (let statements = 0; statements < STATEMENTS_MAX; statements++) {
    const open = searches.filter((search) => !ended.has(search));
    const count = [...idsOf.values()].reduce((sum, ids) => sum + ids.length, 0);
    if (open.length === 0 || count >= foundMin) break;
    const jumped = await jumpToSubscriptions(store, open);
    for (const search of open) {
      const ids = jumped.get(search.accountId) ?? [];
      take(search, ids, ids.length === 0);
    }
  }
  return { group: new Map([...idsOf].filter(([, ids]) => ids.length > 0)), ended };
}

/** Pending rows, by account and subscription. */
type PendingRows = {
  readonly found: ReadonlyMap<AccountId, readonly SubscriptionId[]>;
  /** How many rows of the account were read. */
  readonly countOf: (id: AccountId) => number;
  readonly count: number;
};

/** Reads the first pending rows of all accounts. */
async function firstRows(store: Store): Promise<PendingRows> {
  return await readRows(store, [{ where: sql`account_id > 0`, limit: ROWS_AT_ONCE }]);
}

/** Reads the next pending rows of these accounts. */
async function nextRows(store: Store, searches: readonly Search[], limit: number): Promise<PendingRows> {
  const ofEach = searches.map(({ accountId, after }) => ({
    where: sql`account_id = ${accountId} and subscription_id > ${after}`,
    limit,
  }));
  return await readRows(store, ofEach);
}

async function readRows(
  store: Store,
  parts: readonly { readonly where: RawBuilder<unknown>; readonly limit: number }[],
): Promise<PendingRows> {
  if (parts.length === 0) return { found: new Map(), countOf: () => 0, count: 0 };
  const byState = sql.raw(store.seam.byIndex("deliveries_by_state_and_account"));
  const selects = padded(parts).map(
    ({ where, limit }, i) => sql`select * from (
      select account_id, subscription_id from deliveries ${byState} where state = 'pending' and ${where}
      order by account_id, subscription_id, id limit ${i < parts.length ? limit : 0}
    ) as part`,
  );
  const { rows } = await sql<{ account_id: AccountId; subscription_id: SubscriptionId; counted: number }>`
    select account_id, subscription_id, count(*) as counted from (${sql.join(selects, sql` union all `)}) as parts
    group by account_id, subscription_id order by account_id, subscription_id
  `.execute(store.db);
  const found = new Map<AccountId, SubscriptionId[]>();
  const counts = new Map<AccountId, number>();
  for (const { account_id: accountId, subscription_id: id, counted } of rows) {
    const ids = found.get(accountId) ?? [];
    ids.push(id);
    found.set(accountId, ids);
    counts.set(accountId, (counts.get(accountId) ?? 0) + Number(counted));
  }
  const count = [...counts.values()].reduce((sum, counted) => sum + counted, 0);
  return { found, countOf: (id) => counts.get(id) ?? 0, count };
}

/**
 * Jumps over all rows of one account or subscription to the next one, and on. A jump needs the number that it
 * starts from, so several jumps at once start from consecutive numbers, like the ids themselves: at least one
 * is found, and mostly as many as there are jumps.
 *
 * Each database answers a `min` with constant conditions by one access to the index. MySQL does not do so if
 * the number comes from another row, as in a recursive query, or if it groups and expects small groups.
 */
async function nextAccounts(
  store: Store,
  after: number,
  limit: number,
): Promise<{ ids: AccountId[]; isLast: boolean }> {
  const found: AccountId[] = [];
  for (let statements = 0; statements < STATEMENTS_MAX && found.length < limit; statements++) {
    const from: number = found.at(-1) ?? after;
    const jumps = Array.from(
      { length: JUMPS_AT_ONCE },
      (_, i) => sql`
        select min(account_id) as id from deliveries where state = 'pending' and account_id > ${from + i}`,
    );
    const { rows } = await sql<{ id: number | null }>`${sql.join(jumps, sql` union `)}`.execute(store.db);
    const ids = rows.flatMap(({ id }) => (id === null ? [] : [Number(id) as AccountId]));
    found.push(...ids.sort((a, b) => a - b));
    // A jump that found nothing has gone beyond the last one.
    if (ids.length < rows.length) return { ids: found.slice(0, limit), isLast: found.length <= limit };
  }
  return { ids: found.slice(0, limit), isLast: false };
}

/** Does the same for subscriptions; at least one of each account is found that has more. */
async function jumpToSubscriptions(
  store: Store,
  searches: readonly Search[],
): Promise<Map<AccountId, SubscriptionId[]>> {
  const each = Math.max(1, Math.floor(JUMPS_AT_ONCE / searches.length));
  const jumps: RawBuilder<unknown>[] = padded(searches).flatMap(({ accountId, after }) =>
    Array.from(
      { length: each },
      (_, i) => sql`
        select ${accountId} as account_id, min(subscription_id) as id from deliveries
        where state = 'pending' and account_id = ${accountId} and subscription_id > ${after + i}`,
    ),
  );
  const { rows } = await sql<{
    account_id: number;
    id: number | null;
  }>`${sql.join(jumps, sql` union `)}`.execute(store.db);
  const found = new Map<AccountId, SubscriptionId[]>();
  for (const row of rows) {
    if (row.id === null) continue;
    const accountId = Number(row.account_id) as AccountId;
    found.set(accountId, [...(found.get(accountId) ?? []), Number(row.id) as SubscriptionId]);
  }
  for (const ids of found.values()) ids.sort((a, b) => a - b);
  return found;
}
