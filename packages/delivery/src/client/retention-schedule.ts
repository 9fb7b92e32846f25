import { MINUTE_MS } from "@posthaste/domain";
import { ScheduleAlreadyRunning, ScheduleOverlapPolicy } from "@temporalio/client";
import { RETAIN_WORKFLOW, type RetainInput } from "../names.ts";
import { bounded } from "./bounded.ts";
import type { Temporal } from "./temporal.ts";

/** A missed run is not caught up: the next run deletes the same rows. */
const CATCHUP_WINDOW_MS = MINUTE_MS;

/**
 * Creates the Temporal schedule that starts retention. Every worker calls this at its start, so the interval
 * of the last worker to start applies. Later, workers only recreate a missing schedule, and do not overwrite
 * an operator's changes.
 *
 * @param everyMs the interval between runs
 * @param ifThere whether to update an existing schedule to this interval. Default: `update`
 * @throws if Temporal is unreachable
 */
export async function scheduleRetention(
  { client, names }: Temporal,
  everyMs: number,
  { ifThere = "update" }: { readonly ifThere?: "update" | "leave" } = {},
): Promise<void> {
  const scheduleId = names.retentionSchedule;
  const schedule = {
    spec: { intervals: [{ every: everyMs }] },
    policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: CATCHUP_WINDOW_MS },
    action: {
      type: "startWorkflow" as const,
      workflowType: RETAIN_WORKFLOW,
      workflowId: scheduleId,
      taskQueue: names.taskQueue,
      args: [{} satisfies RetainInput],
    },
  };
  try {
    await bounded(client, () => client.schedule.create({ scheduleId, ...schedule }));
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    if (ifThere === "leave") return;
    const handle = client.schedule.getHandle(scheduleId);
    await bounded(client, () => handle.update((before) => ({ ...before, ...schedule })));
  }
}
