import type { DeliveryId, ErasureId, RecoveryId, RecoveryState, TerminalState } from "@posthaste/domain";

/** The task queue that dispatchers start workflows on and workers poll. */
export const TASK_QUEUE = "posthaste-deliveries";

/**
 * The task queue of retries. First attempts have the other one to themselves: thousands of retries that come due at once
 * wait for each other and for nobody else.
 */
export const RETRY_QUEUE = "posthaste-retries";

/** The workflow's type, as Temporal's UI shows it. */
export const DELIVER_WORKFLOW = "carryDelivery";

/** The activity's type; the only one of a delivery's workflow. */
export const ATTEMPT_ACTIVITY = "attemptDelivery";

/** A delivery has one workflow at a time; its id says which. */
export function workflowIdOf(deliveryId: DeliveryId): string {
  return `delivery/${deliveryId}`;
}

/**
 * The workflow's input: the id only. The payload never enters Temporal's history, which is kept, shown and exported
 * by rules of its own.
 */
export type DeliverInput = {
  readonly deliveryId: DeliveryId;
  /** Of its start, where that was traced: a trace goes through the workflow as its input, which needs no code in it. */
  readonly traceparent?: string;
  /** Its subscription fails, so the first attempt is made where retries are. Default: it does not. */
  readonly isFailing?: boolean;
};

/** What a workflow that ran to its end says of its delivery, for people who look at it in Temporal's UI. */
export type DeliverResult = {
  /**
   * `parked`: its subscription is paused or disabled. `pending`: its rate lets it in later. In both a new workflow goes on
   * when its time comes.
   */
  readonly state: TerminalState | "parked" | "pending";
  readonly attempts: number;
  readonly summary: string;
};

/** The workflow of a recovery or a replay, its activity, and the signal that wakes it up. */
export const RECOVER_WORKFLOW = "recover";
export const RECOVER_ACTIVITY = "advanceRecovery";
export const RECOVERY_CHANGED_SIGNAL = "changed";

export function recoveryWorkflowIdOf(id: RecoveryId): string {
  return `recovery/${id}`;
}

export type RecoverInput = { readonly recoveryId: RecoveryId };

/** Where a recovery stands after a step. */
export type RecoverStep = {
  readonly state: RecoveryState;
  /** The pause that its rate asks for, in milliseconds. */
  readonly waitMs: number;
  readonly summary: string;
};

/** The workflow that deletes what is too old, its activity, and the schedule that starts it. */
export const RETAIN_WORKFLOW = "retain";
export const RETAIN_ACTIVITY = "retainStep";
export const RETENTION_SCHEDULE = "posthaste-retention";

/** Where a run is; empty: at its beginning. */
export type RetainInput = {
  readonly kind?: string;
  readonly cursor?: string;
  /** By kind, so far. */
  readonly deleted?: Readonly<Record<string, number>>;
};
export type RetainStep = { readonly next?: RetainInput; readonly summary: string };

/** The workflow of an erasure, and its activity. */
export const ERASE_WORKFLOW = "erase";
export const ERASE_ACTIVITY = "advanceErasure";

export function erasureWorkflowIdOf(id: ErasureId): string {
  return `erasure/${id}`;
}

export type EraseInput = { readonly erasureId: ErasureId };
export type EraseStep = { readonly isOver: boolean; readonly summary: string };

/** The type of a failure that is ours, not the receiver's: it spends none of the schedule's attempts. */
export const FAULT = "Fault";

/**
 * The type of a failure that is nobody's: the attempt is to be made later, at the time that its row names.
 */
export const NOT_YET = "NotYet";

/** The type of a failure that the receiver earned; the schedule times the next attempt. */
export const ATTEMPT_FAILED = "AttemptFailed";

/** The type of a failure that ended the delivery: exhausted or blocked. */
export const DELIVERY_FAILED = "DeliveryFailed";
