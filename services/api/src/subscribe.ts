import { type Acceptance, type AccountId, parseTargetUrl, requireCallable } from "@posthaste/domain";
import { createSubscription, type Subscription } from "@posthaste/store";
import { requireSubscribable } from "./catalog.ts";
import type { Deps } from "./deps.ts";
import { plainText } from "./plain-text.ts";

/** The longest secret, in characters, as published. */
export const SECRET_CHARS_MAX = 255;

/**
 * Checks what a caller wants to subscribe, and stores it.
 *
 * @param wanted.eventTypesField what the caller's own contract calls the event types
 * @throws Refusal naming the field at fault
 */
export async function subscribe(
  deps: Deps,
  accountId: AccountId,
  wanted: {
    targetUrl: string;
    eventTypes: readonly string[];
    eventTypesField: string;
    /** Empty: none. */
    secret: string;
    acceptance?: Acceptance;
    timeoutMs?: number;
  },
): Promise<Subscription> {
  const targetUrl = callableUrl(deps, wanted.targetUrl);
  requireSubscribable(deps.catalog, wanted.eventTypes, wanted.eventTypesField);
  return await createSubscription(deps.store, {
    accountId,
    targetUrl,
    eventTypes: wanted.eventTypes,
    secret: checkSecret(wanted.secret),
    acceptance: wanted.acceptance ?? "OK_ONLY",
    timeoutMs: wanted.timeoutMs ?? null,
    now: deps.now(),
  });
}

/** @returns null for the empty secret */
export function checkSecret(secret: string): string | null {
  return secret === "" ? null : plainText(secret, "secret", SECRET_CHARS_MAX);
}

/** @throws Refusal for what is no target URL, or may plainly not be called */
export function callableUrl(deps: Deps, text: string): string {
  const targetUrl = parseTargetUrl(text);
  requireCallable(deps.egressRules, targetUrl);
  return targetUrl;
}
