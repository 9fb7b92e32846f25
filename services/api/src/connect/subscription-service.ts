import { durationMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { RateLimit, SubscriptionService } from "@posthaste/contracts/subscription";
import {
  parseCustomHeaders,
  type Rate,
  Refusal,
  SIGNING_OVERLAP_MS,
  type SubscriptionId,
} from "@posthaste/domain";
import {
  endSubscription,
  getSubscription,
  listSigningKeys,
  listSubscriptions,
  pauseSubscription,
  resumeSubscription,
  rotateSigningKey,
  subscriptionHealth,
  updateSubscription,
} from "@posthaste/store";
import { requireSubscribable } from "../catalog/require-event-type.ts";
import type { Deps } from "../deps.ts";
import { sendTestEvent, type TestEventParts } from "../subscriptions/send-test-event.ts";
import {
  callableUrl,
  checkCredential,
  checkDescription,
  checkMetadata,
  type SubscribeParts,
  subscribe,
} from "../subscriptions/subscribe.ts";
import { byOf, callerOf, STOPS } from "./call-values.ts";
import { acceptanceFrom, attemptTo, deliveryTo, healthTo, signingKeyTo, subscriptionTo } from "./convert.ts";
import { sizedPage } from "./page.ts";

/** The lowest rate, one attempt in 100 seconds. Pausing serves receivers that want less. */
const RATE_PER_SECOND_MIN = 0.01;

export function subscriptionService(
  parts: SubscribeParts & TestEventParts & Pick<Deps, "names">,
): ServiceImpl<typeof SubscriptionService> {
  const { store, names } = parts;
  return {
    ...signingKeyCalls(parts),
    ...lifecycleCalls(parts),

    async createSubscription(request, context) {
      const acceptance = acceptanceFrom(request.acceptance);
      const subscription = await subscribe(parts, callerOf(context).accountId, {
        targetUrl: request.targetUrl,
        eventTypes: request.eventTypes,
        eventTypesField: "event_types",
        secret: request.secret,
        description: request.description,
        metadata: request.metadata?.values ?? {},
        headers: request.headers?.values ?? {},
        rate: rateFrom(request.rateLimit),
        concurrency: request.concurrency === 0 ? null : request.concurrency,
        by: byOf(context),
        ...(acceptance === undefined ? {} : { acceptance }),
        ...(request.timeout === undefined ? {} : { timeoutMs: durationMs(request.timeout) }),
      });
      return {
        subscription: subscriptionTo(subscription),
        signingKey: signingKeyTo(subscription.signingKey),
      };
    },

    async getSubscription(request, context) {
      const id = request.id as SubscriptionId;
      const { accountId } = callerOf(context);
      return { subscription: subscriptionTo(found(await getSubscription(store, { accountId, id }), id)) };
    },

    async listSubscriptions(request, context) {
      const { accountId } = callerOf(context);
      const filter = {
        accountId,
        failing: request.failing,
        includeEnded: request.includeEnded,
        ...(request.eventType === "" ? {} : { eventType: request.eventType }),
      };
      const { rows, nextPageToken } = await sizedPage(request, async (page) => {
        const after = page.after === undefined ? {} : { after: page.after as SubscriptionId };
        const subscriptions = await listSubscriptions(store, { ...filter, ...after, limit: page.limit });
        return subscriptions.map(subscriptionTo);
      });
      return { subscriptions: rows, nextPageToken };
    },

    updateSubscription: updateCall(parts),

    async sendTestEvent(request, context) {
      const { delivery, attempt } = await sendTestEvent(
        parts,
        callerOf(context).accountId,
        {
          id: request.subscriptionId as SubscriptionId,
          eventType: request.eventType,
          json: request.dataJson,
          by: byOf(context),
        },
        context.signal,
      );
      return {
        delivery: deliveryTo(delivery, names),
        ...(attempt === undefined ? {} : { attempt: attemptTo(attempt) }),
      };
    },
  };
}

function updateCall({
  store,
  catalog,
  egressRules,
  limits,
  now,
}: SubscribeParts): ServiceImpl<typeof SubscriptionService>["updateSubscription"] {
  return async (request, context) => {
    const id = request.id as SubscriptionId;
    const { targetUrl, eventTypes, secret, timeout, description, metadata, rateLimit, concurrency } = request;
    const { headers, headerChanges } = request;
    if (headers !== undefined && headerChanges !== undefined) {
      throw new Refusal("invalid", "headers and header_changes exclude each other; send one of them", {
        field: "header_changes",
      });
    }
    const acceptance = acceptanceFrom(request.acceptance);
    const { accountId } = callerOf(context);
    await requireSubscribable(catalog, accountId, eventTypes, {
      field: "event_types",
      had: async () => (await getSubscription(store, { accountId, id }))?.eventTypes ?? [],
    });
    const subscription = await updateSubscription(store, {
      accountId,
      id,
      unprovenHostMax: limits.unprovenHostMax,
      now: now(),
      by: byOf(context),
      ...(targetUrl === undefined ? {} : { targetUrl: callableUrl(egressRules, targetUrl) }),
      ...(eventTypes.length === 0 ? {} : { eventTypes }),
      ...(secret === undefined ? {} : { credential: checkCredential(secret) }),
      ...(acceptance === undefined ? {} : { acceptance }),
      ...(timeout === undefined ? {} : { timeoutMs: durationMs(timeout) }),
      ...(description === undefined ? {} : { description: checkDescription(description) }),
      ...(metadata === undefined ? {} : { metadata: checkMetadata(metadata.values) }),
      ...(rateLimit === undefined ? {} : { rate: rateFrom(rateLimit) }),
      ...(concurrency === undefined ? {} : { concurrency: concurrency === 0 ? null : concurrency }),
      ...(headers === undefined ? {} : { headers: parseCustomHeaders(headers.values) }),
      ...(headerChanges === undefined ? {} : { headerChanges }),
    });
    return { subscription: subscriptionTo(found(subscription, id)) };
  };
}

type Calls<Name extends keyof ServiceImpl<typeof SubscriptionService>> = Pick<
  ServiceImpl<typeof SubscriptionService>,
  Name
>;

/** The calls about what a subscription's deliveries are signed with. */
function signingKeyCalls({ store, now }: SubscribeParts): Calls<"rotateSecret" | "listSigningKeys"> {
  return {
    async rotateSecret(request, context) {
      const id = request.id as SubscriptionId;
      const signingKey = await rotateSigningKey(store, {
        accountId: callerOf(context).accountId,
        id,
        overlapMs: request.overlap === undefined ? SIGNING_OVERLAP_MS : durationMs(request.overlap),
        now: now(),
        by: byOf(context),
      });
      return { signingKey: signingKeyTo(found(signingKey, id)) };
    },

    async listSigningKeys(request, context) {
      const id = request.id as SubscriptionId;
      const { accountId } = callerOf(context);
      const keys = await listSigningKeys(store, { accountId, id, now: now(), by: byOf(context) });
      return { signingKeys: found(keys, id).map(signingKeyTo) };
    },
  };
}

/** The calls that stop a subscription, for a while or for good, and tell how it does. */
function lifecycleCalls({
  store,
  now,
  nudge,
}: TestEventParts): Calls<
  "pauseSubscription" | "resumeSubscription" | "getSubscriptionHealth" | "deleteSubscription"
> {
  return {
    async pauseSubscription(request, context) {
      const id = request.id as SubscriptionId;
      const { accountId } = callerOf(context);
      const paused = await pauseSubscription(store, { accountId, id, now: now(), by: byOf(context, STOPS) });
      return { subscription: subscriptionTo(found(paused, id)) };
    },

    async resumeSubscription(request, context) {
      const id = request.id as SubscriptionId;
      const { accountId } = callerOf(context);
      const resumed = await resumeSubscription(store, { accountId, id, now: now(), by: byOf(context) });
      const subscription = subscriptionTo(found(resumed, id));
      nudge();
      return { subscription };
    },

    async getSubscriptionHealth(request, context) {
      const id = request.id as SubscriptionId;
      const { accountId } = callerOf(context);
      return healthTo(found(await subscriptionHealth(store, { accountId, id }), id));
    },

    async deleteSubscription(request, context) {
      const id = request.id as SubscriptionId;
      const { accountId } = callerOf(context);
      found(await endSubscription(store, { accountId, id, now: now(), by: byOf(context, STOPS) }), id);
      return {};
    },
  };
}

/** Returns null for no rate. */
function rateFrom(limit: RateLimit | undefined): Rate | null {
  if (limit === undefined || limit.perSecond === 0) return null;
  if (limit.perSecond < RATE_PER_SECOND_MIN) {
    throw new Refusal(
      "invalid",
      `rate_limit.per_second must be at least ${RATE_PER_SECOND_MIN}, or 0 for no rate limit`,
      {
        field: "rate_limit.per_second",
      },
    );
  }
  return { perSecond: limit.perSecond, burst: limit.burst === 0 ? Math.ceil(limit.perSecond) : limit.burst };
}

function found<T>(answer: T | undefined, id: SubscriptionId): T {
  if (answer !== undefined) return answer;
  throw new Refusal("not_found", `this account has no subscription ${id}`, { field: "id" });
}
