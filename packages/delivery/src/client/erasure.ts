import type { AccountId, ErasureId } from "@posthaste/domain";
import { ERASE_WORKFLOW, type EraseInput } from "../names.ts";
import { bounded } from "./bounded.ts";
import { priorityOf } from "./fairness.ts";
import type { Temporal } from "./temporal.ts";

/** Starts the workflow of an erasure, unless it is already running. */
export async function startErasure(
  { client, names }: Temporal,
  { id, accountId }: { id: ErasureId; accountId: AccountId },
): Promise<void> {
  const options = {
    workflowId: names.erasure(id),
    taskQueue: names.taskQueue,
    args: [{ erasureId: id, accountId } satisfies EraseInput],
    workflowIdConflictPolicy: "USE_EXISTING" as const,
    workflowIdReusePolicy: "ALLOW_DUPLICATE" as const,
    priority: priorityOf(accountId),
    staticSummary: "erases personal data",
  };
  await bounded(client, () => client.workflow.start(ERASE_WORKFLOW, options));
}
