import type { AccountId } from "@posthaste/domain";
import { createSigner, type Signer, type WebhookToSign } from "@posthaste/signature";
import type { AttemptContext } from "@posthaste/store";
import { LRUCache } from "lru-cache";
import { createTurnsByAccount } from "./in-account-turns.ts";

/** The `user-agent` header if the operator has set none. A test compares it with the package's version. */
export const USER_AGENT = "Posthaste/0.1.0";

/** The number of cached signers, one per subscription. Few subscriptions get most of the deliveries. */
const SIGNERS_MAX = 500;

/** What differs between the attempts of a delivery, or is the installation's. */
export type RequestParts = {
  readonly number: number;
  readonly nowMs: number;
  readonly userAgent: string;
  readonly traceparent?: string | undefined;
};

/**
 * Returns the headers of one attempt, as Standard Webhooks defines them: every live key signs. `webhook-id`
 * is the id of the event and the same for every attempt, so receivers can use it to drop duplicates.
 */
export async function webhookHeaders(
  context: AttemptContext,
  { number, nowMs, userAgent, traceparent }: RequestParts,
): Promise<Record<string, string>> {
  const { delivery, event, subscription, body } = context;
  const timestamp = Math.floor(nowMs / 1000);
  const webhook = { id: event.id, timestamp, body };
  const headers: Record<string, string> = {
    // First, so that no custom header can replace a header of Posthaste.
    ...subscription.headers,
    "content-type": "application/json",
    accept: "*/*",
    "user-agent": userAgent,
    "webhook-id": event.id,
    "webhook-timestamp": String(timestamp),
    "webhook-signature": await signedInTurn(delivery.accountId, webhook, subscription.signingKeys),
    "webhook-event": event.type,
    "webhook-delivery": delivery.id,
    "webhook-attempt": String(number),
  };
  if (traceparent !== undefined) headers["traceparent"] = traceparent;
  if (delivery.isTest) headers["webhook-test"] = "true";
  if (subscription.credential !== null) {
    headers["authorization"] = `Basic ${Buffer.from(subscription.credential, "utf8").toString("base64")}`;
  }
  return headers;
}

/** A body of more bytes than this is large: its signatures take longer than all else about an attempt. */
const LARGE_BYTES = 16 * 1024;
/**
 * Large bodies that are signed at once. Node's threads sign in the order of the calls and resolve host names
 * besides: behind 200 bodies of 900 kB, a small one waited for two seconds. Each takes two threads, one for
 * each kind of key, so two keep four threads busy. Each takes a copy of its body, too.
 */
const LARGE_AT_ONCE = 2;
const inTurns = createTurnsByAccount(LARGE_AT_ONCE);

async function signedInTurn(
  accountId: AccountId,
  webhook: WebhookToSign & { readonly body: Uint8Array },
  keys: readonly string[],
): Promise<string> {
  if (webhook.body.byteLength <= LARGE_BYTES) return await signed(webhook, keys);
  return await inTurns(accountId, () => signed(webhook, keys));
}

/** Signers by their keys, so that a rotated key is never used again. */
const signers = new LRUCache<string, Promise<Signer>>({ max: SIGNERS_MAX });

async function signed(webhook: WebhookToSign, keys: readonly string[]): Promise<string> {
  const name = keys.join(" ");
  let signer = signers.get(name);
  if (signer === undefined) {
    signer = createSigner(keys);
    signers.set(name, signer);
  }
  return await (await signer)(webhook);
}
