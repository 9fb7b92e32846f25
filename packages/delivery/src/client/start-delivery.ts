import type { AccountId, DeliveryId, EventId, SubscriptionId } from "@posthaste/domain";
import { type Client, isGrpcServiceError } from "@temporalio/client";
import { DELIVER_WORKFLOW, type DeliverInput, TASK_QUEUE, workflowIdOf } from "../names.ts";
import { bounded } from "./bounded.ts";
import { searchAttributes } from "./search-attributes.ts";

/** Temporal takes summaries of up to 400 bytes; a host name has at most 253. */
const SUMMARY_CHARS_MAX = 380;
/** gRPC: "not as it should be". */
const INVALID_ARGUMENT = 3;

/** What a delivery's workflow shows of it to operators. */
export type DeliveryToStart = {
  readonly deliveryId: DeliveryId;
  readonly accountId: AccountId;
  readonly subscriptionId: SubscriptionId;
  readonly eventId: EventId;
  readonly eventType: string;
  readonly targetUrl: string;
  /** Of the start. Default: none. */
  readonly startTraceparent?: string | undefined;
};

/**
 * Starts the workflow of a delivery. Starting twice is harmless: a running one is used, and one started after the
 * first has closed finds by the row that nothing is to be done.
 *
 * @param isSearchable the namespace knows the search attributes
 */
export async function startDelivery(
  client: Client,
  delivery: DeliveryToStart,
  isSearchable = false,
): Promise<void> {
  const { host } = new URL(delivery.targetUrl);
  const options = {
    workflowId: workflowIdOf(delivery.deliveryId),
    taskQueue: TASK_QUEUE,
    args: [inputOf(delivery)],
    workflowIdConflictPolicy: "USE_EXISTING" as const,
    workflowIdReusePolicy: "ALLOW_DUPLICATE" as const,
    staticSummary: `${delivery.eventType} → ${host}`.slice(0, SUMMARY_CHARS_MAX),
  };
  const start = (more: object) =>
    bounded(client, () => client.workflow.start(DELIVER_WORKFLOW, { ...options, ...more }));
  if (!isSearchable) return void (await start({}));
  const typedSearchAttributes = searchAttributes({
    account: String(delivery.accountId),
    subscription: String(delivery.subscriptionId),
    eventType: delivery.eventType,
    event: delivery.eventId,
    host,
  });
  try {
    await start({ typedSearchAttributes });
  } catch (error) {
    // A server takes a while to know attributes that were just registered; a delivery does not wait for that.
    if (!isGrpcServiceError(error) || error.code !== INVALID_ARGUMENT) throw error;
    await start({});
  }
}

function inputOf({ deliveryId, startTraceparent: traceparent }: DeliveryToStart): DeliverInput {
  return { deliveryId, ...(traceparent === undefined ? {} : { traceparent }) };
}
