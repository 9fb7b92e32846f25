import type {
  AccountId,
  DeliveryId,
  ErasureId,
  InstallationId,
  RecoveryId,
  RecoveryState,
  TerminalState,
} from "@posthaste/domain";

/**
 * What an installation is called in Temporal. Each name carries the installation's id, so installations that
 * share a namespace never meet: none takes another's work, and no two ids are the same.
 */
export type Names = {
  /** The task queue of all workflows and of all activities except retries. */
  readonly taskQueue: string;
  /**
   * The task queue of retries. It is separate, so that thousands of retries that come due at once do not
   * delay first attempts.
   */
  readonly retryQueue: string;
  /** The schedule that starts retention, and the id of the workflow that it starts. */
  readonly retentionSchedule: string;
  /** The worker deployment, which comprises the workers of all versions. */
  readonly deployment: string;
  /** The id of a delivery's workflow. A delivery has at most one open workflow at a time. */
  delivery(id: DeliveryId): string;
  /** The id of the workflow of a recovery or replay. */
  recovery(id: RecoveryId): string;
  /** The id of the workflow of an erasure. */
  erasure(id: ErasureId): string;
};

const TASK_QUEUE = "posthaste-deliveries";
const RETRY_QUEUE = "posthaste-retries";

/**
 * Returns the names of an installation. They must never change: open workflows keep the names that they were
 * started under. An installation that is older than the ids has the empty id, and names without one.
 */
export function namesOf(installation: InstallationId): Names {
  const [suffix, prefix] = installation === "" ? ["", ""] : [`-${installation}`, `${installation}/`];
  return {
    taskQueue: `${TASK_QUEUE}${suffix}`,
    retryQueue: `${RETRY_QUEUE}${suffix}`,
    retentionSchedule: `posthaste-retention${suffix}`,
    deployment: `posthaste${suffix}`,
    delivery: (id) => `${prefix}delivery/${id}`,
    recovery: (id) => `${prefix}recovery/${id}`,
    erasure: (id) => `${prefix}erasure/${id}`,
  };
}

/** Returns the task queue of the retries of the workflows on a task queue. */
export function retryQueueBeside(taskQueue: string): string {
  return taskQueue.replace(TASK_QUEUE, RETRY_QUEUE);
}

/** The type of a delivery's workflow, as Temporal's UI shows it. */
export const DELIVER_WORKFLOW = "carryDelivery";

/** The type of the only activity in a delivery's workflow. */
export const ATTEMPT_ACTIVITY = "attemptDelivery";

/**
 * How long it takes to detect that a worker died during a retry. Retries are minutes apart, so a repetition
 * need not come sooner, and a shorter timeout needs more heartbeats: each is a write to Temporal's database,
 * and those of one account's attempts that hang would delay everybody.
 */
export const HEARTBEAT_TIMEOUT_MS = 30_000;

/**
 * The input of a delivery's workflow. It contains the id but not the payload: Temporal retains, shows and
 * exports its histories by its own rules.
 */
export type DeliverInput = {
  readonly deliveryId: DeliveryId;
  /** Whose delivery it is. Absent in workflows that an earlier version started. */
  readonly accountId?: AccountId;
  /**
   * The trace context of the workflow's start, if it was traced. As an input, it needs no tracing code in the
   * workflow.
   */
  readonly traceparent?: string;
  /** The subscription is failing, so the first attempt runs on the retries' task queue. Default: false. */
  readonly isFailing?: boolean;
};

/** The result of a delivery's workflow, for operators in Temporal's UI. */
export type DeliverResult = {
  /**
   * `parked`: the subscription is paused or disabled. `pending`: the subscription's rate limit is reached. In
   * both cases, another workflow with the same id continues the delivery later.
   */
  readonly state: TerminalState | "parked" | "pending";
  readonly attempts: number;
  readonly summary: string;
};

/** The workflow of a recovery or replay, its activity, and the signal that ends its wait. */
export const RECOVER_WORKFLOW = "recover";
export const RECOVER_ACTIVITY = "advanceRecovery";
export const RECOVERY_CHANGED_SIGNAL = "changed";

/** `accountId`: whose steps these are. Absent in workflows that an earlier version started. */
export type RecoverInput = { readonly recoveryId: RecoveryId; readonly accountId?: AccountId };

/** The state of a recovery after a step, or `running` if the step must wait for its account's turn. */
export type RecoverStep = {
  readonly state: RecoveryState;
  /** How long to wait before the next step, in milliseconds: for the recovery's rate, and for others. */
  readonly waitMs: number;
  readonly summary: string;
};

/** The workflow that applies retention, and its activity. */
export const RETAIN_WORKFLOW = "retain";
export const RETAIN_ACTIVITY = "retainStep";

/** The position of a run; empty at its beginning. */
export type RetainInput = {
  readonly kind?: string;
  readonly cursor?: string;
  /** The number of rows deleted so far, by kind. */
  readonly deleted?: Readonly<Record<string, number>>;
};
export type RetainStep = { readonly next?: RetainInput; readonly summary: string };

/** The workflow of an erasure, and its activity. */
export const ERASE_WORKFLOW = "erase";
export const ERASE_ACTIVITY = "advanceErasure";

/** `accountId`: whose steps these are. Absent in workflows that an earlier version started. */
export type EraseInput = { readonly erasureId: ErasureId; readonly accountId?: AccountId };
export type EraseStep = {
  readonly isOver: boolean;
  readonly summary: string;
  /** How long to wait before the next step, in milliseconds. Absent in histories of an earlier version. */
  readonly waitMs?: number;
};

/**
 * The failure type of a fault: Posthaste failed, not the receiver. It uses up none of the schedule's
 * attempts.
 */
export const FAULT = "Fault";

/**
 * The failure type of an attempt that must wait: nothing failed, and the row says when the attempt is due.
 */
export const NOT_YET = "NotYet";

/**
 * The failure type of work that needs a secret whose sealing key its process lacks. It uses up none of the
 * schedule's attempts, and any worker may make it.
 */
export const UNKNOWN_KEY = "UnknownKey";

/** The failure type of an attempt that the receiver failed. The schedule times the next attempt. */
export const ATTEMPT_FAILED = "AttemptFailed";

/** The failure type of a delivery that ended as exhausted or blocked. */
export const DELIVERY_FAILED = "DeliveryFailed";
