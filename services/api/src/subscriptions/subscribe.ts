import {
  type Acceptance,
  type AccountId,
  type EgressRules,
  parseCustomHeaders,
  parseTargetUrl,
  plainText,
  type Rate,
  requireCallable,
} from "@posthaste/domain";
import { type By, createSubscription, type NewSubscription, type Store } from "@posthaste/store";
import type { Catalog } from "../catalog/catalog.ts";
import { requireSubscribable } from "../catalog/require-event-type.ts";
import type { Limits } from "../http/limits.ts";

/** The longest `secret`, in characters, as published. */
const CREDENTIAL_CHARS_MAX = 255;
const DESCRIPTION_CHARS_MAX = 255;
const METADATA_KEY_CHARS_MAX = 64;
const METADATA_VALUE_CHARS_MAX = 500;

/** The dependencies of {@link subscribe}. */
export type SubscribeParts = {
  readonly store: Store;
  readonly catalog: Catalog;
  /** The addresses and ports a target URL may use. */
  readonly egressRules: EgressRules;
  readonly limits: Pick<Limits, "subscriptionsMax" | "unprovenHostMax">;
  readonly now: () => number;
};

/**
 * Checks a new subscription and stores it.
 *
 * @param wanted.eventTypesField the name of the event types' field in the caller's contract, for refusals
 * @throws Refusal naming the field at fault
 */
export async function subscribe(
  { store, catalog, egressRules, limits, now }: SubscribeParts,
  accountId: AccountId,
  wanted: {
    targetUrl: string;
    eventTypes: readonly string[];
    eventTypesField: string;
    /** Empty for none. */
    secret: string;
    acceptance?: Acceptance;
    timeoutMs?: number;
    description?: string;
    metadata?: Readonly<Record<string, string>>;
    headers?: Readonly<Record<string, string>>;
    rate?: Rate | null;
    concurrency?: number | null;
    by: By;
  },
): Promise<NewSubscription> {
  const targetUrl = callableUrl(egressRules, wanted.targetUrl);
  await requireSubscribable(catalog, accountId, wanted.eventTypes, { field: wanted.eventTypesField });
  return await createSubscription(store, {
    accountId,
    targetUrl,
    eventTypes: wanted.eventTypes,
    credential: checkCredential(wanted.secret),
    acceptance: wanted.acceptance ?? "OK_ONLY",
    timeoutMs: wanted.timeoutMs ?? null,
    description: checkDescription(wanted.description ?? ""),
    metadata: checkMetadata(wanted.metadata ?? {}),
    headers: parseCustomHeaders(wanted.headers ?? {}),
    rate: wanted.rate ?? null,
    concurrency: wanted.concurrency ?? null,
    subscriptionsMax: limits.subscriptionsMax,
    unprovenHostMax: limits.unprovenHostMax,
    now: now(),
    by: wanted.by,
  });
}

/** Checks the receiver's credential, `secret` in both contracts. @returns null if it is empty */
export function checkCredential(secret: string): string | null {
  return secret === "" ? null : plainText(secret, "secret", CREDENTIAL_CHARS_MAX);
}

/** @throws Refusal if the text is not a target URL, or if the egress rules forbid its host or port */
export function callableUrl(rules: EgressRules, text: string): string {
  const targetUrl = parseTargetUrl(text);
  requireCallable(rules, targetUrl);
  return targetUrl;
}

/** @throws Refusal */
export function checkDescription(description: string): string {
  return plainText(description, "description", DESCRIPTION_CHARS_MAX);
}

/** @throws Refusal */
export function checkMetadata(metadata: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(metadata).map(([key, value]) => [
      plainText(key, "metadata", METADATA_KEY_CHARS_MAX),
      plainText(value, "metadata", METADATA_VALUE_CHARS_MAX),
    ]),
  );
}
