import type { ErasureId } from "@posthaste/domain";
import type { Client } from "@temporalio/client";
import { ERASE_WORKFLOW, type EraseInput, erasureWorkflowIdOf, TASK_QUEUE } from "../names.ts";
import { bounded } from "./bounded.ts";

/** Starts the workflow of an erasure, unless it is already running. */
export async function startErasure(client: Client, id: ErasureId): Promise<void> {
  const options = {
    workflowId: erasureWorkflowIdOf(id),
    taskQueue: TASK_QUEUE,
    args: [{ erasureId: id } satisfies EraseInput],
    workflowIdConflictPolicy: "USE_EXISTING" as const,
    workflowIdReusePolicy: "ALLOW_DUPLICATE" as const,
    staticSummary: "erases personal data",
  };
  await bounded(client, () => client.workflow.start(ERASE_WORKFLOW, options));
}
