import { proxyActivities } from "@temporalio/workflow";

const { nothing } = proxyActivities<{ nothing(): Promise<void> }>({ startToCloseTimeout: "10s" });

/** The yardstick: the least that a workflow with one activity can be. */
export async function bare(): Promise<void> {
  await nothing();
}
