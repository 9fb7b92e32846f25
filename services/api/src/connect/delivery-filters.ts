import type { ListDeliveriesRequest, Outcome, RecoverDeliveriesRequest } from "@posthaste/contracts/delivery";
import {
  type AccountId,
  type DeliveryId,
  decodePageToken,
  type EventId,
  MINUTE_MS,
  RECOVERABLE_STATES,
  type RecoverableState,
  type SubscriptionId,
} from "@posthaste/domain";
import type { DeliveryFilter, Recovery, RecoveryFilter, Traits } from "@posthaste/store";
import { deliveryStateFrom, outcomeFrom } from "./convert.ts";
import { pointInTime } from "./point-in-time.ts";

/* Which deliveries a caller means. */

/** The clocks of an API and of the worker that carries its recovery out may differ by this much. */
const CLOCKS_DIFFER_MS = MINUTE_MS;

/** @param recovery list only what this recovery sent, which narrows the times */
export function deliveryFilterFrom(
  accountId: AccountId,
  request: ListDeliveriesRequest,
  recovery: Recovery | undefined,
): Omit<DeliveryFilter, "limit"> {
  const { subscriptionId, eventId, createdFrom, createdBefore, pageToken } = request;
  const state = deliveryStateFrom(request.state);
  const from = Math.max(
    createdFrom === undefined ? 0 : pointInTime(createdFrom, "created_from"),
    recovery === undefined ? 0 : firstOf(recovery),
  );
  const before = Math.min(
    createdBefore === undefined ? Infinity : pointInTime(createdBefore, "created_before"),
    recovery?.endedAt == null ? Infinity : recovery.endedAt + CLOCKS_DIFFER_MS,
  );
  const ofSubscription = subscriptionId === 0 ? recovery?.subscriptionId : subscriptionId;
  return {
    accountId,
    ...(ofSubscription == null ? {} : { subscriptionId: ofSubscription as SubscriptionId }),
    ...(eventId === "" ? {} : { eventId: eventId as EventId }),
    ...(state === undefined ? {} : { state }),
    ...(from === 0 ? {} : { createdFrom: from }),
    ...(before === Infinity ? {} : { createdBefore: before }),
    ...(pageToken === "" ? {} : { before: decodePageToken(pageToken, "string") as DeliveryId }),
  };
}

/** Returns when the first delivery may have been created that a recovery created or made due. */
function firstOf({ filter, sinceAt, createdAt }: Recovery): number {
  const wasThere = filter.states?.includes("started") === true;
  return Math.max(0, (wasThere ? sinceAt : createdAt) - CLOCKS_DIFFER_MS);
}

/** Returns the traits that a list and a recovery share; those that were not given are absent. */
export function traitsFrom({
  outcomes,
  statuses,
  attemptsMin,
}: {
  readonly outcomes: readonly Outcome[];
  readonly statuses: readonly number[];
  readonly attemptsMin: number;
}): Traits {
  return {
    ...(outcomes.length === 0 ? {} : { outcomes: outcomes.flatMap((outcome) => outcomeFrom(outcome) ?? []) }),
    ...(statuses.length === 0 ? {} : { statuses }),
    ...(attemptsMin === 0 ? {} : { attemptsMin }),
  };
}

export function recoveryFilterFrom(request: RecoverDeliveriesRequest): RecoveryFilter {
  const states = request.states.flatMap((state) => recoverableFrom(state) ?? []);
  return {
    ...(states.length === 0 ? {} : { states }),
    ...(request.eventId === "" ? {} : { eventId: request.eventId as EventId }),
    ...eventTypesFrom(request),
    ...traitsFrom(request),
  };
}

/** Returns the event types that a recovery or replay is for; absent: all. */
export function eventTypesFrom({ eventTypes }: { readonly eventTypes: readonly string[] }) {
  return eventTypes.length === 0 ? {} : { eventTypes: [...eventTypes] };
}

/** Returns undefined for a state that a recovery cannot send, which the contract refuses. */
function recoverableFrom(state: RecoverDeliveriesRequest["states"][number]): RecoverableState | undefined {
  const name = deliveryStateFrom(state);
  return RECOVERABLE_STATES.find((one) => one === name);
}
