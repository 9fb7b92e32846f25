import type { ServiceImpl } from "@connectrpc/connect";
import type { OperatorService } from "@posthaste/contracts/operator";
import { type AccountId, decodePageToken, Refusal, type SubscriptionId } from "@posthaste/domain";
import {
  type AccountState,
  type FailingPlace,
  type FailingSubscription,
  getAccountState,
  listAccountStates,
  listFailingSubscriptions,
  listUnfinishedRecoveries,
  whyDatabaseAway,
} from "@posthaste/store";
import type { Deps } from "../deps.ts";
import { noAccount } from "./account-service.ts";
import { accountTo, optional, outcomeTo, recoveryTo, subscriptionTo } from "./convert.ts";
import { page } from "./page.ts";

type OperatorParts = Pick<Deps, "store" | "now" | "names" | "whyTemporalAway" | "temporalUiUrl">;

/** The state of all accounts, for callers with the scope `admin`. */
export function operatorService(parts: OperatorParts): ServiceImpl<typeof OperatorService> {
  const { store, now, names, whyTemporalAway, temporalUiUrl } = parts;
  return {
    async getInstallation() {
      const [database, temporal] = await Promise.all([whyDatabaseAway(store), whyTemporalAway()]);
      return {
        database: store.seam.name,
        databaseProblem: database ?? "",
        temporalProblem: temporal ?? "",
        temporalUiUrl,
      };
    },

    async listAccountStates(request) {
      const { pageToken } = request;
      const after = pageToken === "" ? {} : { after: decodePageToken(pageToken, "number") as AccountId };
      const { rows, nextPageToken } = await page(request, async (limit) => {
        const states = await listAccountStates(store, { ...after, limit, now: now() });
        return states.map((state) => ({ ...state, id: state.account.id }));
      });
      return { accounts: rows.map(accountStateTo), nextPageToken };
    },

    async getAccountState(request) {
      const id = request.accountId as AccountId;
      const state = await getAccountState(store, { id, now: now() });
      if (state === undefined) throw noAccount(id);
      return { state: accountStateTo(state) };
    },

    async listFailingSubscriptions(request) {
      const { accountId, pageToken } = request;
      const from = {
        ...(accountId === 0 ? {} : { accountId: accountId as AccountId }),
        ...(pageToken === "" ? {} : { after: placeFrom(pageToken) }),
      };
      const { rows, nextPageToken } = await page(request, async (limit) => {
        const failing = await listFailingSubscriptions(store, { ...from, limit });
        return failing.map((one) => ({ ...one, id: placeTo(one) }));
      });
      return { subscriptions: rows.map(failingTo), nextPageToken };
    },

    async listUnfinishedRecoveries() {
      const unfinished = await listUnfinishedRecoveries(store);
      return {
        recoveries: unfinished.map(({ recovery, accountName }) => ({
          recovery: recoveryTo(recovery, names),
          accountId: recovery.accountId,
          accountName,
        })),
      };
    },
  };
}

/** A subscription's place among those that fail, as a page token holds it. */
function placeTo({ subscription: { failingSince, id } }: FailingSubscription): string {
  return `${failingSince}.${id}`;
}

/** @throws Refusal `invalid` if the token is none of this list */
function placeFrom(pageToken: string): FailingPlace {
  const [failingSince, id] = String(decodePageToken(pageToken, "string")).split(".").map(Number);
  if (Number.isSafeInteger(failingSince) && Number.isSafeInteger(id)) {
    return { failingSince: Number(failingSince), id: Number(id) as SubscriptionId };
  }
  throw new Refusal("invalid", "page_token is not one of this list", { field: "page_token" });
}

function accountStateTo({ account, failingSince, oldestPendingAt, ...counts }: AccountState) {
  return {
    ...counts,
    account: accountTo(account),
    ...optional("failingSince", failingSince),
    ...optional("oldestPendingAt", oldestPendingAt),
  };
}

function failingTo({ subscription, accountName, last, retrying, nextAttemptAt }: FailingSubscription) {
  return {
    subscription: subscriptionTo(subscription),
    accountId: subscription.accountId,
    accountName,
    lastOutcome: outcomeTo(last?.outcome ?? null),
    lastStatus: last?.status ?? 0,
    lastDeliveryId: last?.deliveryId ?? "",
    retrying,
    ...optional("nextAttemptAt", nextAttemptAt),
  };
}
