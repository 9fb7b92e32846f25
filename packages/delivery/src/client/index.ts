export { recoveryWorkflowIdOf, TASK_QUEUE, workflowIdOf } from "../names.ts";
export { connectTemporal, type TemporalOptions, temporalOptions } from "./connect.ts";
export { EGRESS_SETTINGS } from "./egress-settings.ts";
export { inspectDelivery, type Standing } from "./inspect-delivery.ts";
export { signalRecovery, startRecovery } from "./recovery.ts";
export { RETRY_NOW_REASON, retryNow, unpause } from "./retry-now.ts";
export { startDelivery } from "./start-delivery.ts";
