import type { AccountId, SubscriptionId } from "@posthaste/domain";
import { LRUCache } from "lru-cache";

/**
 * Whose turn it is in one loop's claims: accounts take turns and, within an account, its subscriptions.
 * Everyone who waits therefore gets something before anyone gets it twice. It is kept in memory: a new
 * process begins with the first account.
 *
 * A subscription whose line is locked at its turn has had its turn, so that it holds nobody up. It is *owed*
 * one: each claim tries it again, beside those whose turn it is, until its line is free.
 */
export type ClaimRotation = {
  /** The account that was served last; 0: none yet. */
  readonly afterAccount: number;
  /** The subscription of the account that was served last; 0: none yet. */
  afterSubscription(id: AccountId): number;
  /** Returns these accounts, which are in ascending order, from the one whose turn it is. */
  accountsInTurn(ids: readonly AccountId[]): AccountId[];
  /** Does the same for subscriptions of an account. */
  subscriptionsInTurn(id: AccountId, ids: readonly SubscriptionId[]): SubscriptionId[];
  /** Notes that the account was served last. */
  servedAccount(id: AccountId): void;
  /** Notes that the subscription was served last of its account. */
  servedSubscription(accountId: AccountId, id: SubscriptionId): void;
  /** The subscriptions that are owed a turn, at most {@link OWED_MAX}, the longest owed first. */
  owed(): { accountId: AccountId; id: SubscriptionId }[];
  /** Notes that the subscription's line was locked at its turn. An account is owed one turn at a time. */
  foundLocked(accountId: AccountId, id: SubscriptionId): void;
  /** Notes that a subscription was visited or need not be: it is owed nothing. */
  settled(accountId: AccountId, id: SubscriptionId): void;
};

/**
 * Accounts whose last subscription is remembered, about 100 bytes each. A forgotten account begins with its
 * first subscription again.
 */
const ACCOUNTS_MAX = 10_000;
/**
 * Subscriptions that are owed a turn, one of each account. They share the first transaction of a claim with
 * those whose turn it is, so they must be few. One that finds no room comes again at its next turn.
 */
const OWED_MAX = 16;

export function createClaimRotation(): ClaimRotation {
  let afterAccount = 0;
  const afterSubscription = new LRUCache<AccountId, SubscriptionId>({ max: ACCOUNTS_MAX });
  const owed = new Map<AccountId, SubscriptionId>();
  return {
    get afterAccount() {
      return afterAccount;
    },
    afterSubscription: (id) => afterSubscription.get(id) ?? 0,
    accountsInTurn: (ids) => inTurn(ids, afterAccount),
    subscriptionsInTurn: (id, ids) => inTurn(ids, afterSubscription.get(id) ?? 0),
    servedAccount(id) {
      afterAccount = id;
    },
    servedSubscription(accountId, id) {
      afterSubscription.set(accountId, id);
    },
    owed: () => [...owed].map(([accountId, id]) => ({ accountId, id })),
    foundLocked(accountId, id) {
      if (!owed.has(accountId) && owed.size < OWED_MAX) owed.set(accountId, id);
    },
    settled(accountId, id) {
      if (owed.get(accountId) === id) owed.delete(accountId);
    },
  };
}

function inTurn<Id extends number>(ids: readonly Id[], after: number): Id[] {
  return [...ids.filter((id) => id > after), ...ids.filter((id) => id <= after)];
}

/**
 * Moves each account's rotation on to the last subscription before the first that still waits for its turn.
 *
 * @param group the subscriptions of each account, in the order of their turns
 * @param hadTurn whether a subscription had its turn, or wants none from this loop
 */
export function noteTurns(
  rotation: ClaimRotation,
  group: ReadonlyMap<AccountId, readonly SubscriptionId[]>,
  hadTurn: (id: SubscriptionId) => boolean,
): void {
  for (const [accountId, ids] of group) {
    const firstWaiting = ids.findIndex((id) => !hadTurn(id));
    const last = ids.at(firstWaiting < 0 ? -1 : firstWaiting - 1);
    if (last !== undefined && firstWaiting !== 0) rotation.servedSubscription(accountId, last);
  }
}
