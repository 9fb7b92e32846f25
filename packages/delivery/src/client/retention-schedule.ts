import { type Client, ScheduleAlreadyRunning, ScheduleOverlapPolicy } from "@temporalio/client";
import { RETAIN_WORKFLOW, RETENTION_SCHEDULE, type RetainInput, TASK_QUEUE } from "../names.ts";
import { bounded } from "./bounded.ts";

/** A run that was missed is not made up for: the next one deletes the same. */
const CATCHUP_WINDOW_MS = 60_000;

/**
 * Has Temporal start the retention every so often. Every worker says so at its start, and the last one's
 * interval holds; later each only makes up for a schedule that is gone, and leaves one that is there as its
 * operators want it.
 *
 * @param ifThere what becomes of a schedule that is there. Default: `update`, it gets this interval
 * @throws where Temporal is away
 */
export async function scheduleRetention(
  client: Client,
  everyMs: number,
  { ifThere = "update" }: { readonly ifThere?: "update" | "leave" } = {},
): Promise<void> {
  const schedule = {
    spec: { intervals: [{ every: everyMs }] },
    policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: CATCHUP_WINDOW_MS },
    action: {
      type: "startWorkflow" as const,
      workflowType: RETAIN_WORKFLOW,
      workflowId: RETENTION_SCHEDULE,
      taskQueue: TASK_QUEUE,
      args: [{} satisfies RetainInput],
    },
  };
  try {
    await bounded(client, () => client.schedule.create({ scheduleId: RETENTION_SCHEDULE, ...schedule }));
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    if (ifThere === "leave") return;
    const handle = client.schedule.getHandle(RETENTION_SCHEDULE);
    await bounded(client, () => handle.update((before) => ({ ...before, ...schedule })));
  }
}
