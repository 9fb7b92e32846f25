import type { DescMethod } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { AccountService } from "@posthaste/contracts/account";
import { DeliveryService } from "@posthaste/contracts/delivery";
import { EventCatalogService } from "@posthaste/contracts/event_catalog";
import { EventIngestService } from "@posthaste/contracts/event_ingest";
import { Health } from "@posthaste/contracts/health";
import { InboxService } from "@posthaste/contracts/inbox";
import { OperatorService } from "@posthaste/contracts/operator";
import { ServerReflection } from "@posthaste/contracts/reflection";
import { ServerReflection as ServerReflectionV1Alpha } from "@posthaste/contracts/reflection-v1alpha";
import { SessionService } from "@posthaste/contracts/session";
import { StatisticsService } from "@posthaste/contracts/statistics";
import { SubscriptionService } from "@posthaste/contracts/subscription";
import type { Access } from "../access/auth.ts";

/** Every served service. */
export const SERVICES = [
  SubscriptionService,
  EventIngestService,
  EventCatalogService,
  DeliveryService,
  StatisticsService,
  AccountService,
  OperatorService,
  SessionService,
  InboxService,
  Health,
  ServerReflection,
  ServerReflectionV1Alpha,
] as const;

/**
 * How many rows of the database a call may read: `few`, such as one entry or a page by an index, or `many`,
 * up to thousands for a filter, a count or a whole catalogue. `many in parts`: its handler takes a place
 * among costly reads for each part, and the call must hold none.
 */
type Rows = "few" | "many" | "many in parts";

type Rpc = readonly [access: Access, rows: Rows];
type Methods<S extends { method: object }> = Record<keyof S["method"], Rpc>;

/** What each RPC requires and may read. A new RPC does not compile until it is listed here. */
const RPCS: Readonly<Record<string, Readonly<Record<string, Rpc>>>> = {
  [SubscriptionService.typeName]: {
    createSubscription: ["subscriptions:write", "few"],
    getSubscription: ["subscriptions:read", "few"],
    listSubscriptions: ["subscriptions:read", "many"],
    updateSubscription: ["subscriptions:write", "few"],
    rotateSecret: ["subscriptions:write", "few"],
    listSigningKeys: ["subscriptions:write", "few"],
    sendTestEvent: ["subscriptions:write", "few"],
    pauseSubscription: ["subscriptions:write", "few"],
    resumeSubscription: ["subscriptions:write", "few"],
    getSubscriptionHealth: ["subscriptions:read", "many"],
    deleteSubscription: ["subscriptions:write", "few"],
  } satisfies Methods<typeof SubscriptionService>,
  [EventIngestService.typeName]: {
    ingestEvent: ["events:write", "few"],
    ingestEvents: ["events:write", "few"],
  } satisfies Methods<typeof EventIngestService>,
  [EventCatalogService.typeName]: {
    listEventTypes: ["any", "many in parts"],
    getEventType: ["any", "few"],
    createEventType: ["catalog:write", "few"],
    updateEventType: ["catalog:write", "few"],
    archiveEventType: ["catalog:write", "few"],
    getSchemaCheck: ["any", "few"],
    setSchemaCheck: ["catalog:write", "few"],
  } satisfies Methods<typeof EventCatalogService>,
  [DeliveryService.typeName]: {
    getDelivery: ["deliveries:read", "few"],
    listDeliveries: ["deliveries:read", "many"],
    listAttempts: ["deliveries:read", "few"],
    getEvent: ["deliveries:read", "few"],
    listEvents: ["deliveries:read", "many"],
    retryDelivery: ["deliveries:write", "few"],
    resendDelivery: ["deliveries:write", "few"],
    cancelDelivery: ["deliveries:write", "few"],
    watchDeliveries: ["deliveries:read", "many in parts"],
    recoverDeliveries: ["deliveries:write", "many"],
    replayEvents: ["deliveries:write", "many"],
    getRecovery: ["deliveries:read", "few"],
    listRecoveries: ["deliveries:read", "few"],
    pauseRecovery: ["deliveries:write", "few"],
    resumeRecovery: ["deliveries:write", "few"],
    cancelRecovery: ["deliveries:write", "few"],
  } satisfies Methods<typeof DeliveryService>,
  [StatisticsService.typeName]: {
    getStatistics: ["deliveries:read", "many"],
  } satisfies Methods<typeof StatisticsService>,
  [AccountService.typeName]: {
    createAccount: ["admin", "few"],
    listAccounts: ["admin", "few"],
    setLane: ["admin", "few"],
    createToken: ["admin", "few"],
    listTokens: ["admin", "few"],
    revokeToken: ["admin", "few"],
    createPortalLink: ["admin", "few"],
    eraseAccount: ["admin", "few"],
    eraseEvents: ["admin", "few"],
    getErasure: ["admin", "few"],
    listAuditEntries: ["admin", "many"],
  } satisfies Methods<typeof AccountService>,
  [OperatorService.typeName]: {
    getInstallation: ["admin", "few"],
    listAccountStates: ["admin", "many"],
    getAccountState: ["admin", "many"],
    listFailingSubscriptions: ["admin", "many"],
    listUnfinishedRecoveries: ["admin", "many"],
  } satisfies Methods<typeof OperatorService>,
  [SessionService.typeName]: {
    openSession: ["public", "few"],
    getSession: ["any", "few"],
  } satisfies Methods<typeof SessionService>,
  [InboxService.typeName]: {
    createInbox: ["subscriptions:write", "few"],
    setInboxAnswer: ["subscriptions:write", "few"],
    watchInbox: ["subscriptions:read", "few"],
  } satisfies Methods<typeof InboxService>,
  [Health.typeName]: {
    check: ["public", "few"],
    watch: ["public", "few"],
    list: ["public", "few"],
  } satisfies Methods<typeof Health>,
  [ServerReflection.typeName]: {
    serverReflectionInfo: ["public", "few"],
  } satisfies Methods<typeof ServerReflection>,
  [ServerReflectionV1Alpha.typeName]: {
    serverReflectionInfo: ["public", "few"],
  } satisfies Methods<typeof ServerReflectionV1Alpha>,
};

/** The paths of the RPCs that need a token. */
export const TOKEN_RPC_PATHS: ReadonlySet<string> = new Set(
  SERVICES.flatMap((service) =>
    service.methods
      .filter((method) => accessTo(method) !== "public")
      .map((method) => `/${service.typeName}/${method.name}`),
  ),
);

/** The methods of HTTP that each RPC takes, by its path. */
export const RPC_METHODS: ReadonlyMap<string, readonly string[]> = new Map(
  SERVICES.flatMap((service) =>
    service.methods.map((method) => {
      return [`/${service.typeName}/${method.name}`, isRead(method) ? ["GET", "POST"] : ["POST"]] as const;
    }),
  ),
);

/** Returns the access a method requires; `admin` for a method that is not listed. */
export function accessTo(method: DescMethod): Access {
  return listed(method)?.[0] ?? "admin";
}

/**
 * Returns the rows that a method may read; undefined for one that is not listed: a service that is not ours
 * reads none.
 */
export function rowsOf(method: DescMethod): Rows | undefined {
  return listed(method)?.[1];
}

/** Returns whether a method changes nothing. */
export function isRead({ idempotency }: DescMethod): boolean {
  return idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
}

function listed({ parent, localName }: DescMethod): Rpc | undefined {
  return RPCS[parent.typeName]?.[localName];
}
