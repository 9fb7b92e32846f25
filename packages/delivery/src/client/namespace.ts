import type { Client } from "@temporalio/client";
import { bounded } from "./bounded.ts";
import { GRPC, grpcCodeOf } from "./grpc-code.ts";
import { noNamespace } from "./no-namespace.ts";

/**
 * Checks that Temporal has the client's namespace.
 *
 * @throws NoNamespace, which names the setting; the SDK's error if Temporal does not answer
 */
export async function requireNamespace(client: Client): Promise<void> {
  const { namespace } = client.options;
  try {
    await bounded(client, () => client.workflowService.describeNamespace({ namespace }));
  } catch (error) {
    throw grpcCodeOf(error) === GRPC.NOT_FOUND ? noNamespace(client, error) : error;
  }
}
