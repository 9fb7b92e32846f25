import type { AccountId } from "@posthaste/domain";

/**
 * Returns the priority of an account's workflows, which their activities inherit: on a server with fairness,
 * each account has its turn in every task queue, however much work another has waiting there.
 *
 * The key is the account and not, for example, the subscription: an account has as many of those as it likes,
 * and would have as many turns. Within an account, claims and `turns` share by subscription.
 */
export function priorityOf(accountId: AccountId): { readonly fairnessKey: string } {
  return { fairnessKey: `account ${accountId}` };
}
