export {
  clientOn,
  createDeliveryWorker,
  type DeliveryWorker,
  type DeliveryWorkerOptions,
} from "./create-delivery-worker.ts";
export { bundleWorkflows, workflowCode } from "./workflow-code.ts";
