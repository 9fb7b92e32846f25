import type { Acceptance, Rate, SubscriptionId } from "@posthaste/domain";
import type { Selectable, Updateable } from "kysely";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import { rateOf } from "./pace.ts";
import { sealContextOf } from "./signing-keys.ts";

/** What an owner may choose for a subscription beside its URL and event types. */
export type SubscriptionOptions = {
  /** The receiver's own, sent as `Authorization: Basic`; null: none. */
  readonly credential: string | null;
  readonly acceptance: Acceptance;
  /** Null: the default. */
  readonly timeoutMs: number | null;
  /** For people; empty: none. */
  readonly description: string;
  /** The owner's own, by key. */
  readonly metadata: Readonly<Record<string, string>>;
  /** How fast it may be sent to; null: no rate. */
  readonly rate: Rate | null;
  /** Attempts under way at once; null: the default. */
  readonly concurrency: number | null;
  /** Sent with every attempt, by lower-case name. Values may be secrets, so they are sealed. */
  readonly headers: Readonly<Record<string, string>>;
};

/** The columns of the options that are given. Secrets are sealed for the row. */
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

/** The options that anyone who may read the subscription may see: of headers, their names. */
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
