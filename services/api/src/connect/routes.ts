import type { DescMethodUnary, DescService } from "@bufbuild/protobuf";
import type { ConnectRouter, MethodImpl, ServiceImpl } from "@connectrpc/connect";
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
import type { Deps } from "../deps.ts";
import { abortWhenOver } from "./abort-when-over.ts";
import { accessTo, SERVICES } from "./access.ts";
import { accountService } from "./account-service.ts";
import { answerInTurn } from "./answer-in-turn.ts";
import { answerWhenLate } from "./answer-when-late.ts";
import { authorizeFirst } from "./authorize-first.ts";
import { checkRules } from "./check-rules.ts";
import { completeErrors } from "./complete-errors.ts";
import { boundCostlyReads } from "./costs.ts";
import { deliveryService } from "./delivery-service.ts";
import { eventCatalogService } from "./event-catalog-service.ts";
import { eventIngestService } from "./event-ingest-service.ts";
import { forgetFarDeadlines } from "./far-deadlines.ts";
import { healthService } from "./health-service.ts";
import { httpRefusals } from "./http-refusals.ts";
import { inboxService } from "./inbox-service.ts";
import { answer } from "./interceptors.ts";
import { knowLostConnections } from "./lost-connections.ts";
import { messageBytesMax } from "./message-bytes.ts";
import { operatorService } from "./operator-service.ts";
import { reflectionService } from "./reflection-service.ts";
import { sessionService } from "./session-service.ts";
import { statisticsService } from "./statistics-service.ts";
import { keepBytesOfQueries, strictJson } from "./strict-json.ts";
import { subscriptionService } from "./subscription-service.ts";
import { whileAllowed } from "./while-allowed.ts";

/** Answers without a token: nobody answers for what it costs to compress them. */
const UNCOMPRESSED = { compressMinBytes: Number.POSITIVE_INFINITY };

/** The interceptors of every call, outermost first. */
export function interceptors(deps: Deps) {
  // A call that waits to encode its answer holds no place for reads.
  return [answer(deps), whileAllowed(deps), answerInTurn(), checkRules(), boundCostlyReads(deps)];
}

export function connectRoutes(deps: Deps): (router: ConnectRouter) => void {
  return (router) => {
    const serve = <S extends DescService>(service: S, implementation: ServiceImpl<S>) => {
      for (const method of service.methods) {
        const handler = implementation[method.localName as keyof ServiceImpl<S>];
        router.rpc(method as DescMethodUnary, handler as MethodImpl<DescMethodUnary>, {
          readMaxBytes: messageBytesMax(method, deps.limits),
          jsonOptions: strictJson(deps.limits.refusesUnknownFields, method.input),
          ...(accessTo(method) === "public" ? UNCOMPRESSED : {}),
        });
      }
    };
    serve(SubscriptionService, subscriptionService(deps));
    serve(EventIngestService, eventIngestService(deps));
    serve(EventCatalogService, eventCatalogService(deps));
    serve(DeliveryService, deliveryService(deps));
    serve(AccountService, accountService(deps));
    serve(OperatorService, operatorService(deps));
    serve(StatisticsService, statisticsService(deps));
    serve(SessionService, sessionService(deps));
    serve(InboxService, inboxService(deps));
    serve(Health, healthService(deps));
    const reflection = reflectionService(SERVICES, {
      gate: deps.streamGates.reflection,
      loopTurns: deps.loopTurns,
    });
    serve(ServerReflection, reflection);
    // Most tools still call this version first; the two differ only in their name.
    serve(ServerReflectionV1Alpha, reflection as unknown as ServiceImpl<typeof ServerReflectionV1Alpha>);
    answerWhenLate(router);
    forgetFarDeadlines(router);
    completeErrors(router);
    authorizeFirst(router, deps);
    keepBytesOfQueries(router);
    httpRefusals(router);
    abortWhenOver(router);
    knowLostConnections(router);
  };
}
