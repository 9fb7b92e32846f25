import { durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import { Acceptance, type Subscription } from "@posthaste/contracts/subscription";
import { type MoreOptions, metadataOf, NO_OPTIONS, optionsOf } from "./more-options.ts";

/** The form's values, for a new or an existing subscription. */
export type Draft = {
  readonly targetUrl: string;
  readonly eventTypes: readonly string[];
  readonly description: string;
  /** The receiver's credential. Empty: none for a new subscription, unchanged for an existing one. */
  readonly secret: string;
  readonly acceptance: Acceptance;
  readonly timeoutS: string;
  /** The maximum number of attempts per second. Empty: no limit. */
  readonly ratePerSecond: string;
  /** The maximum number of concurrent attempts. Empty: the default. */
  readonly concurrency: string;
  readonly more: MoreOptions;
};

export const NEW_DRAFT: Draft = {
  targetUrl: "",
  eventTypes: [],
  description: "",
  secret: "",
  acceptance: Acceptance.OK_ONLY,
  timeoutS: "15",
  ratePerSecond: "",
  concurrency: "",
  more: NO_OPTIONS,
};

export function draftOf(subscription: Subscription): Draft {
  return {
    targetUrl: subscription.targetUrl,
    eventTypes: subscription.eventTypes,
    description: subscription.description,
    secret: "",
    acceptance: subscription.acceptance,
    timeoutS: String(subscription.timeout === undefined ? 15 : durationMs(subscription.timeout) / 1_000),
    ratePerSecond: subscription.rateLimit === undefined ? "" : String(subscription.rateLimit.perSecond),
    concurrency: subscription.concurrency === 0 ? "" : String(subscription.concurrency),
    more: optionsOf(subscription),
  };
}

/** Converts a draft to a request of either RPC, without the secret and the headers. */
export function requestOf(draft: Draft) {
  const { targetUrl, eventTypes, description, acceptance, timeoutS, ratePerSecond, concurrency } = draft;
  return {
    targetUrl: targetUrl.trim(),
    eventTypes: [...eventTypes],
    description,
    acceptance,
    timeout: durationFromMs(Number(timeoutS) * 1_000),
    rateLimit: { perSecond: Number(ratePerSecond), burst: Number(draft.more.burst) },
    concurrency: Number(concurrency),
    metadata: metadataOf(draft.more),
  };
}
