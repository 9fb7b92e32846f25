import type { ConnectRouter, ServiceImpl } from "@connectrpc/connect";
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
import { abortWhenOver } from "./abort-when-over.ts";
import { SERVICES } from "./access.ts";
import { accountService } from "./account-service.ts";
import { authorizeFirst } from "./authorize-first.ts";
import { checkRules } from "./check-rules.ts";
import { completeErrors } from "./complete-errors.ts";
import { deliveryService } from "./delivery-service.ts";
import { eventCatalogService } from "./event-catalog-service.ts";
import { eventIngestService } from "./event-ingest-service.ts";
import { forgetFarDeadlines } from "./far-deadlines.ts";
import { healthService } from "./health-service.ts";
import { httpRefusals } from "./http-refusals.ts";
import { inboxService } from "./inbox-service.ts";
import { answer } from "./interceptors.ts";
import { reflectionService } from "./reflection-service.ts";
import { sessionService } from "./session-service.ts";
import { statisticsService } from "./statistics-service.ts";
import { keepBytesOfQueries } from "./strict-json.ts";
import { subscriptionService } from "./subscription-service.ts";
import { whileAllowed } from "./while-allowed.ts";

/** The interceptors of every call, outermost first. */
export function interceptors(deps: Deps) {
  return [answer(deps), whileAllowed(deps), checkRules()];
}

/** The body of a call without a token: it holds a name or a code, and anyone may send it. */
const PUBLIC_BODY_BYTES_MAX = 4_096;

export function connectRoutes(deps: Deps): (router: ConnectRouter) => void {
  const limits = { readMaxBytes: deps.limits.bodyBytesMax };
  return (router) => {
    // A test event has a snapshot.
    const withSnapshot = { readMaxBytes: deps.limits.eventBytesMax };
    router.service(SubscriptionService, subscriptionService(deps), withSnapshot);
    const ingest = eventIngestService(deps);
    router.rpc(EventIngestService.method.ingestEvent, ingest.ingestEvent, withSnapshot);
    router.rpc(EventIngestService.method.ingestEvents, ingest.ingestEvents, {
      readMaxBytes: deps.limits.batchBytesMax,
    });
    router.service(EventCatalogService, eventCatalogService(deps), limits);
    router.service(DeliveryService, deliveryService(deps), limits);
    router.service(AccountService, accountService(deps), limits);
    router.service(StatisticsService, statisticsService(deps), limits);
    router.service(SessionService, sessionService(deps), { readMaxBytes: PUBLIC_BODY_BYTES_MAX });
    router.service(InboxService, inboxService(deps), limits);
    router.service(Health, healthService(deps), { readMaxBytes: PUBLIC_BODY_BYTES_MAX });
    const reflection = reflectionService(SERVICES, deps.streamGates.reflection);
    router.service(ServerReflection, reflection, { readMaxBytes: PUBLIC_BODY_BYTES_MAX });
    // Most tools still call this version first; the two differ only in their name.
    router.service(
      ServerReflectionV1Alpha,
      reflection as unknown as ServiceImpl<typeof ServerReflectionV1Alpha>,
      {
        readMaxBytes: PUBLIC_BODY_BYTES_MAX,
      },
    );
    forgetFarDeadlines(router);
    keepBytesOfQueries(router);
    completeErrors(router);
    authorizeFirst(router, deps);
    httpRefusals(router);
    abortWhenOver(router);
  };
}
