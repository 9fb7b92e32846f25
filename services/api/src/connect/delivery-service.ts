import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { DeliveryService } from "@posthaste/contracts/delivery";
import { type DeliveryId, type RecoveryId, Refusal, type SubscriptionId } from "@posthaste/domain";
import {
  cancelDelivery,
  type Delivery,
  getDelivery,
  getRecovery,
  listAttempts,
  listDeliveries,
  requestRetry,
  resendDelivery,
  resentAs,
  searchDeliveries,
} from "@posthaste/store";
import { plannedAttempts } from "../deliveries/planned-attempts.ts";
import { watchDeliveries } from "../deliveries/watch-deliveries.ts";
import type { Deps } from "../deps.ts";
import { byOf, callerOf, STOPS } from "./call-values.ts";
import { attemptTo, changeTo, deliveryTo } from "./convert.ts";
import { deliveryFilterFrom, traitsFrom } from "./delivery-filters.ts";
import { eventCalls } from "./event-calls.ts";
import { page, partialPage } from "./page.ts";
import { recoveryCalls } from "./recovery-calls.ts";

type DeliveryParts = Pick<
  Deps,
  | "store"
  | "catalog"
  | "now"
  | "log"
  | "nudge"
  | "names"
  | "retryNow"
  | "wakeCancelled"
  | "isHeldByOperator"
  | "temporalWait"
  | "workflowUrl"
  | "signalRecovery"
  | "streamGates"
  | "costlyReads"
>;

export function deliveryService(parts: DeliveryParts): ServiceImpl<typeof DeliveryService> {
  const { store } = parts;
  const shown = showTo(parts);
  return {
    ...recoveryCalls(parts),
    ...eventCalls(parts),
    ...actionCalls(parts),

    async *watchDeliveries({ subscriptionId, cursor }, context) {
      const { accountId, token } = callerOf(context);
      const of = subscriptionId === 0 ? {} : { subscriptionId: subscriptionId as SubscriptionId };
      const wanted = { accountId, chargedTo: token.accountId, cursor, ...of };
      const watched = watchDeliveries(parts, wanted, context.signal);
      for await (const { changes, cursor: next } of parts.streamGates.deliveries.pass(token, watched)) {
        yield { changes: changes.map(changeTo), cursor: next };
      }
    },

    async getDelivery(request, context) {
      const { accountId } = callerOf(context);
      const delivery = found(
        await getDelivery(store, { accountId, id: request.id as DeliveryId }),
        request.id,
      );
      return { delivery: shown(context, delivery), resentAs: (await resentAs(store, delivery)) ?? "" };
    },

    async listDeliveries(request, context) {
      const { accountId } = callerOf(context);
      const { recoveryId } = request;
      const recovery =
        recoveryId === 0 ? undefined : await getRecovery(store, { accountId, id: recoveryId as RecoveryId });
      if (recoveryId !== 0 && recovery === undefined) return { deliveries: [], nextPageToken: "" };
      const filter = deliveryFilterFrom(accountId, request, recovery);
      const traits = {
        ...traitsFrom(request),
        ...(request.eventType === "" ? {} : { eventTypes: [request.eventType] }),
        ...(recovery === undefined ? {} : { recoveryId: recovery.id }),
      };
      const { rows, nextPageToken } =
        Object.keys(traits).length === 0
          ? await page(request, (limit) => listDeliveries(store, { ...filter, limit }))
          : await partialPage(request, (limit) => searchDeliveries(store, { ...filter, traits, limit }));
      return { deliveries: rows.map((row) => shown(context, row)), nextPageToken };
    },

    async listAttempts(request, context) {
      const { accountId } = callerOf(context);
      const deliveryId = request.deliveryId as DeliveryId;
      const attempts = found(await listAttempts(store, { accountId, deliveryId }), deliveryId, "delivery_id");
      const delivery = found(await getDelivery(store, { accountId, id: deliveryId }), deliveryId);
      return { attempts: attempts.map(attemptTo), planned: plannedAttempts(delivery) };
    },
  };
}

type ActionCalls = Pick<
  ServiceImpl<typeof DeliveryService>,
  "retryDelivery" | "resendDelivery" | "cancelDelivery"
>;

/** The calls that change one delivery. */
function actionCalls(parts: DeliveryParts): ActionCalls {
  const { store, now, log, nudge, retryNow, wakeCancelled, isHeldByOperator, temporalWait } = parts;
  const shown = showTo(parts);
  return {
    async retryDelivery(request, context) {
      const { accountId, token } = callerOf(context);
      const id = request.id as DeliveryId;
      const retry = found(await requestRetry(store, { accountId, id, now: now(), by: byOf(context) }), id);
      const retryInTemporal = async () => {
        if (retry.requested) return (await retryNow(id)) === "held_by_operator";
        // The attempt is due since an earlier request, but an operator may hold it.
        return retry.delivery.state === "started" && (await isHeldByOperator(id));
      };
      const isHeld = await temporalWait(token.accountId, retryInTemporal).catch((error: unknown) => {
        // The request is stored; the reconciler repeats it once Temporal answers.
        log.error("delivery.retry_delayed", error, { deliveryId: id });
        return false;
      });
      if (isHeld) {
        throw new Refusal(
          "wrong_state",
          `an operator has paused delivery ${id}; its next attempt is due now, and is sent when they unpause it`,
          { reason: "HELD_BY_OPERATOR", field: "id" },
        );
      }
      return { delivery: shown(context, retry.delivery) };
    },

    async resendDelivery(request, context) {
      const { accountId } = callerOf(context);
      const id = request.id as DeliveryId;
      const by = byOf(context);
      const { delivery, resent } = found(await resendDelivery(store, { accountId, id, now: now(), by }), id);
      if (resent) nudge();
      return { delivery: shown(context, delivery), resent };
    },

    async cancelDelivery(request, context) {
      const { accountId, token } = callerOf(context);
      const id = request.id as DeliveryId;
      const before = found(await getDelivery(store, { accountId, id }), id);
      const cancelled = await cancelDelivery(store, {
        id,
        reason: "cancelled by its owner",
        now: now(),
        by: byOf(context, STOPS),
      });
      const delivery = found(await getDelivery(store, { accountId, id }), id);
      if (delivery.state !== "cancelled") {
        throw new Refusal(
          "wrong_state",
          `delivery ${id} is ${delivery.state}; only an open delivery can be cancelled`,
          {
            field: "id",
          },
        );
      }
      if (before.state === (cancelled ? "started" : "cancelled")) {
        // Makes the waiting attempt due, which then finds the row cancelled and ends the workflow. If the
        // call fails, this happens when the attempt is due, or, if an operator has paused it, when the
        // delivery is cancelled again.
        await temporalWait(token.accountId, () => wakeCancelled(id)).catch((error: unknown) => {
          log.error("delivery.cancel_delayed", error, { deliveryId: id });
        });
      }
      return { delivery: shown(context, delivery) };
    },
  };
}

/** Converts a delivery for its reader: only an admin sees where its workflow is. */
function showTo({ names, workflowUrl }: DeliveryParts) {
  return (context: HandlerContext, delivery: Delivery) => {
    const isAdmin = callerOf(context).scopes.includes("admin");
    return deliveryTo(delivery, names, isAdmin ? workflowUrl(delivery.id) : "");
  };
}

function found<T>(value: T | undefined, id: string, field = "id"): T {
  if (value !== undefined) return value;
  throw new Refusal("not_found", `this account has no delivery ${JSON.stringify(id)}`, { field });
}
