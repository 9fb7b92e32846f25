export { Code, ConnectError } from "@connectrpc/connect";
export { AuditActorKind, AuditSubject, ErasureState, Lane } from "@posthaste/contracts/account";
export {
  DeliveryState,
  LeftOutReason,
  Outcome,
  RecoveryKind,
  RecoveryState,
} from "@posthaste/contracts/delivery";
export { ErrorReason } from "@posthaste/contracts/error";
export { SchemaCheck } from "@posthaste/contracts/event_catalog";
export { Theme } from "@posthaste/contracts/session";
export { StatisticsRange } from "@posthaste/contracts/statistics";
export { Acceptance, SubscriptionState } from "@posthaste/contracts/subscription";
export { createPosthasteClient, type PosthasteClient, type PosthasteClientOptions } from "./create-client.ts";
export { type CallRefusal, refusalOf } from "./refusal-of.ts";
