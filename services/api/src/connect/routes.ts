import type { ConnectRouter } from "@connectrpc/connect";
import { AccountService } from "@posthaste/contracts/account";
import { DeliveryService } from "@posthaste/contracts/delivery";
import { EventCatalogService } from "@posthaste/contracts/event_catalog";
import { EventIngestService } from "@posthaste/contracts/event_ingest";
import { Health } from "@posthaste/contracts/health";
import { SubscriptionService } from "@posthaste/contracts/subscription";
import type { Deps } from "../deps.ts";
import { accountService } from "./account-service.ts";
import { blameUndecodable } from "./blame-undecodable.ts";
import { checkRules } from "./check-rules.ts";
import { deliveryService } from "./delivery-service.ts";
import { eventCatalogService } from "./event-catalog-service.ts";
import { eventIngestService } from "./event-ingest-service.ts";
import { healthService } from "./health-service.ts";
import { answer, authorizeFirst, refuse } from "./interceptors.ts";
import { subscriptionService } from "./subscription-service.ts";

/** The interceptors every call passes, the outermost first. */
export function interceptors(deps: Deps) {
  return [answer(deps), refuse(), checkRules()];
}

/** It holds the name of a service, and anybody may send it. */
const HEALTH_BODY_BYTES_MAX = 4_096;

export function connectRoutes(deps: Deps): (router: ConnectRouter) => void {
  const limits = { readMaxBytes: deps.limits.POSTHASTE_BODY_BYTES_MAX };
  return (router) => {
    router.service(SubscriptionService, subscriptionService(deps), limits);
    const ingest = eventIngestService(deps);
    router.rpc(EventIngestService.method.ingestEvent, ingest.ingestEvent, limits);
    router.rpc(EventIngestService.method.ingestEvents, ingest.ingestEvents, {
      readMaxBytes: deps.limits.POSTHASTE_BATCH_BYTES_MAX,
    });
    router.service(EventCatalogService, eventCatalogService(deps), limits);
    router.service(DeliveryService, deliveryService(deps), limits);
    router.service(AccountService, accountService(deps), limits);
    router.service(Health, healthService(deps), { readMaxBytes: HEALTH_BODY_BYTES_MAX });
    blameUndecodable(router);
    authorizeFirst(router, deps);
  };
}
