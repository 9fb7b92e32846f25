import { isGrpcServiceError } from "@temporalio/client";

/** The gRPC status codes that are told apart here. */
export const GRPC = {
  /** Beside `DEADLINE_EXCEEDED`, what a call on a worker's own connection ends with when its time is over. */
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  FAILED_PRECONDITION: 9,
  UNAVAILABLE: 14,
} as const;

/**
 * How many causes are looked through. Temporal's client wraps once; a chain that leads back to itself must
 * end.
 */
const CAUSES_MAX = 5;

/**
 * The gRPC status that a call to Temporal failed with. Raw services (`workflowService`, `operatorService`)
 * throw it as it is; the calls of `client.workflow` and `client.schedule` throw an error of the SDK's that
 * has it as its cause.
 *
 * @returns undefined where the error is not a server's, or is one for which the SDK has a class:
 *   `WorkflowNotFoundError`, `NamespaceNotFoundError`, `ScheduleAlreadyRunning` have no code
 */
export function grpcCodeOf(error: unknown): number | undefined {
  let current = error;
  for (let i = 0; i <= CAUSES_MAX && current instanceof Error; i++) {
    if (isGrpcServiceError(current)) return current.code;
    current = current.cause;
  }
  return undefined;
}
