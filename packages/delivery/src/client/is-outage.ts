import { GRPC, grpcCodeOf } from "./grpc-code.ts";
import { NoNamespace } from "./no-namespace.ts";

/** The codes of a server that is unreachable, overloaded, or refuses the caller and not the call. */
const OUTAGE: ReadonlySet<number | undefined> = new Set([
  GRPC.CANCELLED,
  GRPC.DEADLINE_EXCEEDED,
  GRPC.PERMISSION_DENIED,
  GRPC.RESOURCE_EXHAUSTED,
  GRPC.UNAVAILABLE,
  GRPC.UNAUTHENTICATED,
]);

/**
 * Returns whether a failed call to Temporal may concern every call. The server also answers so if only the
 * part of it that holds one workflow is unavailable: a call that succeeds meanwhile shows that.
 */
export function isOutage(error: unknown): boolean {
  return error instanceof NoNamespace || OUTAGE.has(grpcCodeOf(error));
}
