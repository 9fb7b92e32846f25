import type { AccountId, DeliveryId, EventId, SubscriptionId } from "@posthaste/domain";
import type { Client } from "@temporalio/client";
import { DELIVER_WORKFLOW, type DeliverInput, TASK_QUEUE, workflowIdOf } from "../names.ts";
import { bounded } from "./bounded.ts";
import type { Searchability } from "./search-attributes.ts";

/** Temporal takes summaries of up to 400 bytes; a host name has at most 253. */
const SUMMARY_CHARS_MAX = 380;

/** What a delivery's workflow shows of it to operators. */
export type DeliveryToStart = {
  readonly deliveryId: DeliveryId;
  readonly accountId: AccountId;
  readonly subscriptionId: SubscriptionId;
  readonly eventId: EventId;
  readonly eventType: string;
  readonly targetUrl: string;
  /** See {@link DeliverInput}. */
  readonly isFailing?: boolean;
  /** Of the start. Default: none. */
  readonly startTraceparent?: string | undefined;
};

export type StartOptions = {
  /** Gives the workflow its search attributes. Default: it gets none. */
  readonly searchability?: Searchability;
  /**
   * Have the server answer with the workflow's first task, for a worker on the client's own connection: it need not be
   * polled for. Wants a client on a `NativeConnection`. Default: false.
   */
  readonly isEager?: boolean;
};

/**
 * Starts the workflow of a delivery. Starting twice is harmless: a running one is used, and one started after the
 * first has closed finds by the row that nothing is to be done.
 *
 * The subscription is its fairness key: a server that keeps to those lets none of them wait behind another's backlog.
 */
export async function startDelivery(
  client: Client,
  delivery: DeliveryToStart,
  { searchability, isEager = false }: StartOptions = {},
): Promise<void> {
  const { host } = new URL(delivery.targetUrl);
  const options = {
    workflowId: workflowIdOf(delivery.deliveryId),
    taskQueue: TASK_QUEUE,
    args: [inputOf(delivery)],
    workflowIdConflictPolicy: "USE_EXISTING" as const,
    workflowIdReusePolicy: "ALLOW_DUPLICATE" as const,
    requestEagerStart: isEager,
    priority: { fairnessKey: String(delivery.subscriptionId) },
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

function inputOf({ deliveryId, isFailing, startTraceparent: traceparent }: DeliveryToStart): DeliverInput {
  return {
    deliveryId,
    ...(isFailing === true ? { isFailing } : {}),
    ...(traceparent === undefined ? {} : { traceparent }),
  };
}
