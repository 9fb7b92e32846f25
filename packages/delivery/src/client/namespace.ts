import type { Client } from "@temporalio/client";
import { bounded } from "./bounded.ts";
import { GRPC, grpcCodeOf } from "./grpc-code.ts";
import { noNamespace } from "./no-namespace.ts";
import { explained } from "./unreachable.ts";

/**
 * Checks that Temporal has the client's namespace.
 *
 * @throws NoNamespace, which names the setting; TemporalUnreachable, which says why no connection can be
 *   made; the SDK's error if Temporal does not answer
 */
export async function requireNamespace(client: Client): Promise<void> {
  const { namespace } = client.options;
  try {
    await bounded(client, () => client.workflowService.describeNamespace({ namespace }));
  } catch (error) {
    switch (grpcCodeOf(error)) {
      case GRPC.NOT_FOUND:
        throw noNamespace(client, error);
      case GRPC.DEADLINE_EXCEEDED:
      case GRPC.UNAVAILABLE:
        throw await explained(client, error);
      default:
        throw error;
    }
  }
}
