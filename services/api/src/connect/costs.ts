import type { DescMethod } from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import { AccountService } from "@posthaste/contracts/account";
import { DeliveryService } from "@posthaste/contracts/delivery";
import { EventCatalogService } from "@posthaste/contracts/event_catalog";
import { EventIngestService } from "@posthaste/contracts/event_ingest";
import { Health } from "@posthaste/contracts/health";
import { InboxService } from "@posthaste/contracts/inbox";
import { ServerReflection } from "@posthaste/contracts/reflection";
import { ServerReflection as ServerReflectionV1Alpha } from "@posthaste/contracts/reflection-v1alpha";
import { SessionService } from "@posthaste/contracts/session";
import { StatisticsService } from "@posthaste/contracts/statistics";
import { SubscriptionService } from "@posthaste/contracts/subscription";
import type { Deps } from "../deps.ts";
import { callerIn, OVER } from "./call-values.ts";

/**
 * How many rows of the database a call may read: `few`, such as one entry or a page by an index, or `many`,
 * up to thousands for a filter, a count or a whole catalogue.
 */
type Rows = "few" | "many";

type Methods<S extends { method: object }> = Record<keyof S["method"], Rows>;

/** The rows that each RPC may read. A new RPC does not compile until it is listed here. */
const ROWS: Readonly<Record<string, Readonly<Record<string, Rows>>>> = {
  [SubscriptionService.typeName]: {
    createSubscription: "few",
    getSubscription: "few",
    listSubscriptions: "many",
    updateSubscription: "few",
    rotateSecret: "few",
    listSigningKeys: "few",
    sendTestEvent: "few",
    pauseSubscription: "few",
    resumeSubscription: "few",
    getSubscriptionHealth: "many",
    deleteSubscription: "few",
  } satisfies Methods<typeof SubscriptionService>,
  [EventIngestService.typeName]: {
    ingestEvent: "few",
    ingestEvents: "few",
  } satisfies Methods<typeof EventIngestService>,
  [EventCatalogService.typeName]: {
    listEventTypes: "many",
    getEventType: "few",
    createEventType: "few",
    updateEventType: "few",
    archiveEventType: "few",
    getSchemaCheck: "few",
    setSchemaCheck: "few",
  } satisfies Methods<typeof EventCatalogService>,
  [DeliveryService.typeName]: {
    getDelivery: "few",
    listDeliveries: "many",
    listAttempts: "few",
    getEvent: "few",
    retryDelivery: "few",
    resendDelivery: "few",
    cancelDelivery: "few",
    watchDeliveries: "many",
    recoverDeliveries: "many",
    replayEvents: "many",
    getRecovery: "few",
    listRecoveries: "few",
    pauseRecovery: "few",
    resumeRecovery: "few",
    cancelRecovery: "few",
  } satisfies Methods<typeof DeliveryService>,
  [StatisticsService.typeName]: {
    getStatistics: "many",
  } satisfies Methods<typeof StatisticsService>,
  [AccountService.typeName]: {
    createAccount: "few",
    listAccounts: "few",
    setLane: "few",
    createToken: "few",
    listTokens: "few",
    revokeToken: "few",
    createPortalLink: "few",
    eraseAccount: "few",
    eraseEvents: "few",
    getErasure: "few",
  } satisfies Methods<typeof AccountService>,
  [SessionService.typeName]: {
    openSession: "few",
    getSession: "few",
  } satisfies Methods<typeof SessionService>,
  [InboxService.typeName]: {
    createInbox: "few",
    setInboxAnswer: "few",
    watchInbox: "few",
  } satisfies Methods<typeof InboxService>,
  [Health.typeName]: {
    check: "few",
    watch: "few",
    list: "few",
  } satisfies Methods<typeof Health>,
  [ServerReflection.typeName]: {
    serverReflectionInfo: "few",
  } satisfies Methods<typeof ServerReflection>,
  [ServerReflectionV1Alpha.typeName]: {
    serverReflectionInfo: "few",
  } satisfies Methods<typeof ServerReflectionV1Alpha>,
};

/**
 * Lets calls that read many rows take turns, by account, at a part of the database's connections. A stream
 * would hold its place between its reads, so its handler takes one for each.
 */
export function boundCostlyReads({ costlyReads }: Pick<Deps, "costlyReads">): Interceptor {
  return (next) => async (request) => {
    if (request.stream || rowsOf(request.method) === "few") return await next(request);
    const { contextValues } = request;
    const { accountId } = callerIn(contextValues);
    const over = contextValues.get(OVER);
    const answered = await costlyReads.run(accountId, () => next(request), over);
    if (answered === undefined) throw over?.reason;
    return answered;
  };
}

/** Returns how many rows a method may read; undefined: it is not listed. */
export function rowsOf({ parent, localName }: DescMethod): Rows | undefined {
  return ROWS[parent.typeName]?.[localName];
}
