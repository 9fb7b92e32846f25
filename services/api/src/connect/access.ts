import type { DescMethod } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
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
import type { Access } from "../access/auth.ts";

/** Every served service. */
export const SERVICES = [
  SubscriptionService,
  EventIngestService,
  EventCatalogService,
  DeliveryService,
  StatisticsService,
  AccountService,
  SessionService,
  InboxService,
  Health,
  ServerReflection,
  ServerReflectionV1Alpha,
] as const;

type Methods<S extends { method: object }> = Record<keyof S["method"], Access>;

/** The access each RPC requires. A new RPC does not compile until it is listed here. */
const ACCESS: Readonly<Record<string, Readonly<Record<string, Access>>>> = {
  [SubscriptionService.typeName]: {
    createSubscription: "subscriptions:write",
    getSubscription: "subscriptions:read",
    listSubscriptions: "subscriptions:read",
    updateSubscription: "subscriptions:write",
    rotateSecret: "subscriptions:write",
    listSigningKeys: "subscriptions:write",
    sendTestEvent: "subscriptions:write",
    pauseSubscription: "subscriptions:write",
    resumeSubscription: "subscriptions:write",
    getSubscriptionHealth: "subscriptions:read",
    deleteSubscription: "subscriptions:write",
  } satisfies Methods<typeof SubscriptionService>,
  [EventIngestService.typeName]: {
    ingestEvent: "events:write",
    ingestEvents: "events:write",
  } satisfies Methods<typeof EventIngestService>,
  [EventCatalogService.typeName]: {
    listEventTypes: "any",
    getEventType: "any",
    createEventType: "catalog:write",
    updateEventType: "catalog:write",
    archiveEventType: "catalog:write",
    getSchemaCheck: "any",
    setSchemaCheck: "catalog:write",
  } satisfies Methods<typeof EventCatalogService>,
  [DeliveryService.typeName]: {
    getDelivery: "deliveries:read",
    listDeliveries: "deliveries:read",
    listAttempts: "deliveries:read",
    getEvent: "deliveries:read",
    retryDelivery: "deliveries:write",
    resendDelivery: "deliveries:write",
    cancelDelivery: "deliveries:write",
    watchDeliveries: "deliveries:read",
    recoverDeliveries: "deliveries:write",
    replayEvents: "deliveries:write",
    getRecovery: "deliveries:read",
    listRecoveries: "deliveries:read",
    pauseRecovery: "deliveries:write",
    resumeRecovery: "deliveries:write",
    cancelRecovery: "deliveries:write",
  } satisfies Methods<typeof DeliveryService>,
  [StatisticsService.typeName]: {
    getStatistics: "deliveries:read",
  } satisfies Methods<typeof StatisticsService>,
  [AccountService.typeName]: {
    createAccount: "admin",
    listAccounts: "admin",
    setLane: "admin",
    createToken: "admin",
    listTokens: "admin",
    revokeToken: "admin",
    createPortalLink: "admin",
    eraseAccount: "admin",
    eraseEvents: "admin",
    getErasure: "admin",
  } satisfies Methods<typeof AccountService>,
  [SessionService.typeName]: {
    openSession: "public",
    getSession: "any",
  } satisfies Methods<typeof SessionService>,
  [InboxService.typeName]: {
    createInbox: "subscriptions:write",
    setInboxAnswer: "subscriptions:write",
    watchInbox: "subscriptions:read",
  } satisfies Methods<typeof InboxService>,
  [Health.typeName]: {
    check: "public",
    watch: "public",
    list: "public",
  } satisfies Methods<typeof Health>,
  [ServerReflection.typeName]: {
    serverReflectionInfo: "public",
  } satisfies Methods<typeof ServerReflection>,
  [ServerReflectionV1Alpha.typeName]: {
    serverReflectionInfo: "public",
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
      const isRead = method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
      return [`/${service.typeName}/${method.name}`, isRead ? ["GET", "POST"] : ["POST"]] as const;
    }),
  ),
);

/** Returns the access a method requires; `admin` for a method that is not listed. */
export function accessTo(method: DescMethod): Access {
  return ACCESS[method.parent.typeName]?.[method.localName] ?? "admin";
}
