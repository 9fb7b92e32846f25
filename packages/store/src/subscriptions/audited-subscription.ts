import { withoutQuery } from "@posthaste/domain";
import type { Selectable } from "kysely";
import { type AuditedFields, SECRET } from "../audit/audit.ts";
import { SealError } from "../database/sealer.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import type { Subscription } from "./read-subscriptions.ts";
import { sealContextOf } from "./signing-keys.ts";
import type { SubscriptionOptions } from "./subscription-options.ts";

/** Returns what the audit log holds of a new subscription. */
export function auditedSubscription(created: Subscription): AuditedFields {
  return {
    ...visibleFields(created),
    secret: created.hasCredential ? SECRET.set : null,
    headers: created.headerNames.length > 0 ? SECRET.set : null,
  };
}

/** An update of a subscription: its row and itself before, itself after, and what was asked for. */
type Update = {
  readonly row: Selectable<Tables["subscriptions"]>;
  readonly was: Subscription;
  readonly updated: Subscription;
  readonly input: Pick<Partial<SubscriptionOptions>, "credential" | "headers">;
};

/** Returns what the audit log holds of an update. */
export function auditedUpdate(
  store: Store,
  { row, was, updated, input: { credential, headers } }: Update,
): { before: AuditedFields; after: AuditedFields } {
  const opened = (purpose: "credential" | "headers") => {
    const sealed = row[purpose];
    return sealed === null ? undefined : open(store, sealed, sealContextOf(was.id, purpose));
  };
  const after: Record<string, unknown> = visibleFields(updated);
  if (
    updated.targetUrl !== was.targetUrl &&
    withoutQuery(updated.targetUrl) === withoutQuery(was.targetUrl)
  ) {
    after["target_url"] = `${withoutQuery(updated.targetUrl)}?${SECRET.changed}`;
  }
  if (credential !== undefined && credential !== opened("credential")) {
    after["secret"] = whatBecame(was.hasCredential, credential !== null);
  }
  if (headers !== undefined && sorted(headers) !== sorted(JSON.parse(opened("headers") ?? "{}"))) {
    after["headers"] = whatBecame(was.headerNames.length > 0, updated.headerNames.length > 0);
  }
  // Of twenty entries, those that changed: somebody may change one a thousand times a second.
  const [before, own] = [was.metadata, updated.metadata];
  after["metadata"] = differing(own, before);
  return { before: { ...visibleFields(was), metadata: differing(before, own) }, after };
}

/** Returns the entries that are missing or different in `others`, in the order of their names. */
function differing(
  entries: Readonly<Record<string, string>>,
  others: Readonly<Record<string, string>>,
): Record<string, string> {
  return inOrder(Object.entries(entries).filter(([name, value]) => others[name] !== value));
}

function inOrder(entries: [string, string][]): Record<string, string> {
  return Object.fromEntries(entries.sort());
}

/** Returns the fields that every reader of the subscription may see; of the URL, without its query. */
function visibleFields(subscription: Subscription): AuditedFields {
  const { rate } = subscription;
  return {
    target_url: withoutQuery(subscription.targetUrl),
    event_types: subscription.eventTypes,
    state: subscription.state,
    acceptance: subscription.acceptance,
    timeout_ms: subscription.timeoutMs,
    description: subscription.description,
    metadata: inOrder(Object.entries(subscription.metadata)),
    rate_limit: rate && { per_second: rate.perSecond, burst: rate.burst },
    concurrency: subscription.concurrency,
    header_names: subscription.headerNames,
  };
}

function whatBecame(was: boolean, is: boolean): string | null {
  if (is) return was ? SECRET.changed : SECRET.set;
  return was ? SECRET.removed : null;
}

/** Returns headers as text, in whichever order they were sent. */
function sorted(headers: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.entries(headers).sort());
}

/** Opens a sealed value; undefined: its key is gone, so it cannot be compared. */
function open({ sealer }: Store, sealed: Uint8Array, context: string): string | undefined {
  try {
    return sealer.open(sealed, context);
  } catch (error) {
    if (error instanceof SealError) return undefined;
    throw error;
  }
}
