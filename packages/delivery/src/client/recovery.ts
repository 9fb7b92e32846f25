import type { RecoveryId } from "@posthaste/domain";
import { type Client, WorkflowNotFoundError } from "@temporalio/client";
import {
  RECOVER_WORKFLOW,
  RECOVERY_CHANGED_SIGNAL,
  type RecoverInput,
  recoveryWorkflowIdOf,
  TASK_QUEUE,
} from "../names.ts";
import { bounded } from "./bounded.ts";

/** Starts the workflow of a recovery; where it runs, that one is used. */
export async function startRecovery(
  client: Client,
  { id, kind }: { id: RecoveryId; kind: string },
): Promise<void> {
  const options = {
    workflowId: recoveryWorkflowIdOf(id),
    taskQueue: TASK_QUEUE,
    args: [{ recoveryId: id } satisfies RecoverInput],
    workflowIdConflictPolicy: "USE_EXISTING" as const,
    workflowIdReusePolicy: "ALLOW_DUPLICATE" as const,
    staticSummary: kind === "recover" ? "failed deliveries are sent again" : "events are replayed",
  };
  await bounded(client, () => client.workflow.start(RECOVER_WORKFLOW, options));
}

/** Wakes a recovery up that was paused; without this it would look for itself after a while. */
export async function signalRecovery(client: Client, id: RecoveryId): Promise<void> {
  const handle = client.workflow.getHandle(recoveryWorkflowIdOf(id));
  await bounded(client, () => handle.signal(RECOVERY_CHANGED_SIGNAL)).catch((error: unknown) => {
    // Not started yet: it will see for itself.
    if (!(error instanceof WorkflowNotFoundError)) throw error;
  });
}
