import type { AccountId, DeliveryId, EventId, SubscriptionId } from "@posthaste/domain";
import { DELIVER_WORKFLOW, type DeliverInput } from "../names.ts";
import { bounded } from "./bounded.ts";
import { priorityOf } from "./fairness.ts";
import type { Searchability } from "./search-attributes.ts";
import type { Temporal } from "./temporal.ts";

/** Temporal accepts summaries of up to 400 bytes; a host name has at most 253. */
const SUMMARY_CHARS_MAX = 380;

/** What a delivery's workflow needs, and shows to operators. */
export type DeliveryToStart = {
  readonly deliveryId: DeliveryId;
  readonly accountId: AccountId;
  readonly subscriptionId: SubscriptionId;
  readonly eventId: EventId;
  readonly eventType: string;
  readonly targetUrl: string;
  /** See {@link DeliverInput}. Default: false. */
  readonly isFailing?: boolean;
  /** The trace context of the start. Default: none. */
  readonly startTraceparent?: string | undefined;
};

export type StartOptions = {
  /** Adds the search attributes. Default: none are added. */
  readonly searchability?: Searchability;
  /**
   * Requests an eager start: the server returns the workflow's first task directly to a worker on the same
   * connection, which saves a poll. Requires a client on a `NativeConnection`. Default: false.
   */
  readonly isEager?: boolean;
};

/**
 * Starts the workflow of a delivery. Starting twice is harmless: if the workflow is running, nothing happens;
 * if it has closed, the new workflow reads the row and finds nothing to do.
 */
export async function startDelivery(
  { client, names }: Temporal,
  delivery: DeliveryToStart,
  { searchability, isEager = false }: StartOptions = {},
): Promise<void> {
  const { host } = new URL(delivery.targetUrl);
  const options = {
    workflowId: names.delivery(delivery.deliveryId),
    taskQueue: names.taskQueue,
    args: [inputOf(delivery)],
    workflowIdConflictPolicy: "USE_EXISTING" as const,
    workflowIdReusePolicy: "ALLOW_DUPLICATE" as const,
    requestEagerStart: isEager,
    priority: priorityOf(delivery.accountId),
    staticSummary: `${delivery.eventType} → ${host}`.slice(0, SUMMARY_CHARS_MAX),
  };
  const start = (more: object) =>
    bounded(client, () => client.workflow.start(DELIVER_WORKFLOW, { ...options, ...more }));
  if (searchability === undefined) return void (await start({}));
  const attributes = {
    account: String(delivery.accountId),
    subscription: String(delivery.subscriptionId),
    eventType: delivery.eventType,
    event: delivery.eventId,
    host,
  };
  await searchability.start(attributes, start);
}

function inputOf({
  deliveryId,
  accountId,
  isFailing,
  startTraceparent: traceparent,
}: DeliveryToStart): DeliverInput {
  return {
    deliveryId,
    accountId,
    ...(isFailing === true ? { isFailing } : {}),
    ...(traceparent === undefined ? {} : { traceparent }),
  };
}
