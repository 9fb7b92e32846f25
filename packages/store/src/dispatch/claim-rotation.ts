import type { AccountId, SubscriptionId } from "@posthaste/domain";
import { LRUCache } from "lru-cache";

/**
 * Whose turn it is in one loop's claims: accounts take turns and, within an account, its subscriptions.
 * Everyone who waits therefore gets something before anyone gets it twice. It is kept in memory: a new
 * process begins with the first account.
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
};

/**
 * Accounts whose last subscription is remembered, about 100 bytes each. A forgotten account begins with its
 * first subscription again.
 */
const ACCOUNTS_MAX = 10_000;

export function createClaimRotation(): ClaimRotation {
  let afterAccount = 0;
  const afterSubscription = new LRUCache<AccountId, SubscriptionId>({ max: ACCOUNTS_MAX });
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
  };
}

function inTurn<Id extends number>(ids: readonly Id[], after: number): Id[] {
  return [...ids.filter((id) => id > after), ...ids.filter((id) => id <= after)];
}

/**
 * Notes which subscriptions had their turn. Each account's first one that was left out comes first the next
 * time.
 *
 * @returns the accounts with a subscription that had its turn
 */
export function noteServed(
  rotation: ClaimRotation,
  visited: readonly { readonly accountId: AccountId; readonly id: SubscriptionId }[],
  leftOut: ReadonlySet<SubscriptionId>,
): Set<AccountId> {
  const stopped = new Set<AccountId>();
  const served = new Set<AccountId>();
  for (const { accountId, id } of visited) {
    if (leftOut.has(id)) stopped.add(accountId);
    if (stopped.has(accountId)) continue;
    rotation.servedSubscription(accountId, id);
    served.add(accountId);
  }
  return served;
}
