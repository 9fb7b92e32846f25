export { DELIVER_WORKFLOW, type Names, namesOf } from "../names.ts";
export { connectTemporal } from "./connect.ts";
export { EGRESS_SETTINGS, egressRules } from "./egress-settings.ts";
export { startErasure } from "./erasure.ts";
export { GRPC, grpcCodeOf } from "./grpc-code.ts";
export { inspectDelivery, isHeldByOperator, RETRY_NOW_REASON, type Standing } from "./inspect-delivery.ts";
export { isOutage } from "./is-outage.ts";
export {
  askTemporal,
  isTemporalThere,
  type TemporalAwayReason,
  whyTemporalAway,
} from "./is-temporal-there.ts";
export { requireNamespace } from "./namespace.ts";
export { NoNamespace } from "./no-namespace.ts";
export { signalRecovery, startRecovery } from "./recovery.ts";
export { scheduleRetention } from "./retention-schedule.ts";
export { type RetryNow, retryNow, unpause } from "./retry-now.ts";
export { createSearchability, type Searchability } from "./search-attributes.ts";
export { type DeliveryToStart, type StartOptions, startDelivery } from "./start-delivery.ts";
export type { Temporal } from "./temporal.ts";
export { type TemporalOptions, temporalAddress, temporalOptions } from "./temporal-options.ts";
export { whyUnreachable } from "./unreachable.ts";
export { wakeCancelled } from "./wake-cancelled.ts";
export { workflowUrl } from "./workflow-url.ts";
