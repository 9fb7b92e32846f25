import type { Acceptance, Rate, SubscriptionId } from "@posthaste/domain";
import type { Selectable, Updateable } from "kysely";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import { rateOf } from "./pace.ts";
import { sealContextOf } from "./signing-keys.ts";

/** The options of a subscription that its owner may choose, besides its URL and event types. */
export type SubscriptionOptions = {
  /** The credential that the receiver expects, sent as `Authorization: Basic`; null: none. */
  readonly credential: string | null;
  readonly acceptance: Acceptance;
  /** Null: the default. */
  readonly timeoutMs: number | null;
  /** For people; empty: none. */
  readonly description: string;
  /** The owner's own texts, by key. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The maximum rate of attempts; null: unlimited. */
  readonly rate: Rate | null;
  /** Maximum attempts in flight at once; null: the default. */
  readonly concurrency: number | null;
  /** Headers sent with every attempt, by lower-case name. The values may be secrets, so they are sealed. */
  readonly headers: Readonly<Record<string, string>>;
};

/** Returns the columns of the given options. Secrets are sealed for the row. */
export function optionColumns(
  { sealer }: Store,
  id: SubscriptionId,
  options: Partial<SubscriptionOptions>,
): Updateable<Tables["subscriptions"]> {
  const { credential, acceptance, timeoutMs, description, metadata, rate, concurrency, headers } = options;
  const columns: Updateable<Tables["subscriptions"]> = {};
  if (credential !== undefined) {
    columns.credential =
      credential === null ? null : sealer.seal(credential, sealContextOf(id, "credential"));
  }
  if (acceptance !== undefined) columns.acceptance = acceptance;
  if (timeoutMs !== undefined) columns.timeout_ms = timeoutMs;
  if (description !== undefined) columns.description = description;
  if (metadata !== undefined) columns.metadata = JSON.stringify(metadata);
  if (rate !== undefined) {
    columns.rate_per_1000s = rate === null ? null : Math.round(rate.perSecond * 1_000);
    columns.rate_burst = rate === null ? null : rate.burst;
  }
  if (concurrency !== undefined) columns.concurrency = concurrency;
  if (headers !== undefined) {
    const names = Object.keys(headers).sort();
    columns.header_names = JSON.stringify(names);
    columns.headers =
      names.length === 0 ? null : sealer.seal(JSON.stringify(headers), sealContextOf(id, "headers"));
  }
  return columns;
}

/**
 * Returns the options that every reader of the subscription may see. Of the headers, these are only the
 * names.
 */
export function visibleOptions(row: Selectable<Tables["subscriptions"]>) {
  return {
    acceptance: row.acceptance,
    timeoutMs: row.timeout_ms,
    description: row.description ?? "",
    metadata: JSON.parse(row.metadata ?? "{}") as Record<string, string>,
    rate: rateOf(row),
    concurrency: row.concurrency,
    headerNames: JSON.parse(row.header_names ?? "[]") as string[],
    hasCredential: row.credential !== null,
  };
}

/** Returns a subscription's custom headers, with their values. */
export function openHeaders(
  { sealer }: Store,
  { id, headers }: Pick<Selectable<Tables["subscriptions"]>, "id" | "headers">,
): Record<string, string> {
  if (headers === null) return {};
  return JSON.parse(sealer.open(headers, sealContextOf(id, "headers"))) as Record<string, string>;
}
