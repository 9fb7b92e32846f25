import { proxyActivities } from "@temporalio/workflow";

const { nothing } = proxyActivities<{ nothing(): Promise<void> }>({ startToCloseTimeout: "10s" });

/** The simplest workflow with one activity. */
export async function bare(): Promise<void> {
  await nothing();
}
