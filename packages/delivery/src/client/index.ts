export { recoveryWorkflowIdOf, TASK_QUEUE, workflowIdOf } from "../names.ts";
export { connectTemporal, type TemporalOptions, temporalOptions } from "./connect.ts";
export { EGRESS_SETTINGS } from "./egress-settings.ts";
export { inspectDelivery, type Standing } from "./inspect-delivery.ts";
export { signalRecovery, startRecovery } from "./recovery.ts";
export { RETRY_NOW_REASON, retryNow, unpause } from "./retry-now.ts";
export { createSearchability } from "./search-attributes.ts";
export { type DeliveryToStart, startDelivery } from "./start-delivery.ts";
export { workflowUrl } from "./workflow-url.ts";
