import { isGrpcServiceError } from "@temporalio/client";
import { NoNamespace } from "./no-namespace.ts";

/** The gRPC status codes that this package distinguishes. */
export const GRPC = {
  /**
   * On a worker's connection, a call past its deadline may fail with this code instead of
   * `DEADLINE_EXCEEDED`.
   */
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

/** The codes of a call that concerns an activity, if the workflow or the activity does not exist. */
export const NO_ACTIVITY: ReadonlySet<number | undefined> = new Set([GRPC.INVALID_ARGUMENT, GRPC.NOT_FOUND]);

/**
 * The number of causes to examine. Temporal's client wraps an error once; the limit ends a circular chain of
 * causes.
 */
const CAUSES_MAX = 5;

/**
 * Returns the gRPC status code of a failed call to Temporal. Raw services (`workflowService`,
 * `operatorService`) throw the gRPC error itself; `client.workflow` and `client.schedule` throw an SDK error
 * whose cause is the gRPC error.
 *
 * @returns undefined if the error does not come from a server, or if there is a class for it, such as
 *   `WorkflowNotFoundError`, `ScheduleAlreadyRunning` or `NoNamespace`
 */
export function grpcCodeOf(error: unknown): number | undefined {
  let current = error;
  for (let i = 0; i <= CAUSES_MAX && current instanceof Error; i++) {
    if (current instanceof NoNamespace) return undefined;
    if (isGrpcServiceError(current)) return current.code;
    current = current.cause;
  }
  return undefined;
}
