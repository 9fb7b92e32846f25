import { StartError } from "@posthaste/runtime";
import { type Client, isGrpcServiceError, NamespaceNotFoundError } from "@temporalio/client";

/** Temporal does not have the client's namespace. Its message alone says what to do. */
export class NoNamespace extends StartError {
  override readonly name = "NoNamespace";
}

/**
 * Returns whether Temporal says that it has no such namespace. Raw services throw the gRPC error, which has
 * the same code as for a workflow that does not exist, and says in its details which of them it is.
 */
export function isNamespaceMissing(error: unknown): boolean {
  if (!isGrpcServiceError(error)) return error instanceof NamespaceNotFoundError;
  const details = error.metadata.get("grpc-status-details-bin");
  return details.some((bytes) => bytes.includes("NamespaceNotFoundFailure"));
}

/** Explains to operators that Temporal does not have the client's namespace. */
export function noNamespace(client: Client, cause: unknown): NoNamespace {
  const name = JSON.stringify(client.options.namespace);
  const advice = "create it, or set TEMPORAL_NAMESPACE to one that exists";
  return new NoNamespace(`Temporal has no namespace ${name}: ${advice}`, { cause });
}
