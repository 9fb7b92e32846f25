import type { AccountId, RecoveryId } from "@posthaste/domain";
import { WorkflowNotFoundError } from "@temporalio/client";
import { RECOVER_WORKFLOW, RECOVERY_CHANGED_SIGNAL, type RecoverInput } from "../names.ts";
import { bounded } from "./bounded.ts";
import { priorityOf } from "./fairness.ts";
import type { Temporal } from "./temporal.ts";

/** Starts the workflow of a recovery or replay, unless it is already running. */
export async function startRecovery(
  { client, names }: Temporal,
  { id, accountId, kind }: { id: RecoveryId; accountId: AccountId; kind: string },
): Promise<void> {
  const options = {
    workflowId: names.recovery(id),
    taskQueue: names.taskQueue,
    args: [{ recoveryId: id, accountId } satisfies RecoverInput],
    workflowIdConflictPolicy: "USE_EXISTING" as const,
    workflowIdReusePolicy: "ALLOW_DUPLICATE" as const,
    priority: priorityOf(accountId),
    staticSummary: kind === "recover" ? "recovers failed deliveries" : "replays events",
  };
  await bounded(client, () => client.workflow.start(RECOVER_WORKFLOW, options));
}

/**
 * Tells the workflow of a paused recovery to check its row now. Without the signal, it checks every minute.
 */
export async function signalRecovery({ client, names }: Temporal, id: RecoveryId): Promise<void> {
  const handle = client.workflow.getHandle(names.recovery(id));
  await bounded(client, () => handle.signal(RECOVERY_CHANGED_SIGNAL)).catch((error: unknown) => {
    // The workflow has not started yet; it will read the row when it does.
    if (!(error instanceof WorkflowNotFoundError)) throw error;
  });
}
