import type { Acceptance, AccountId, DeliveryId, Outcome } from "@posthaste/domain";
import type { Insertable, Selectable } from "kysely";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";

/** One HTTP request of a delivery, and its answer. */
export type Attempt = {
  /** 1: the first attempt. */
  readonly number: number;
  readonly startedAt: number;
  readonly durationMs: number;
  readonly outcome: Outcome;
  readonly acceptance: Acceptance;
  readonly status: number | null;
  /** As sent, without secrets. */
  readonly requestHeaders: readonly (readonly [string, string])[];
  readonly responseHeaders: readonly (readonly [string, string])[];
  readonly responseBody: Uint8Array;
  readonly responseTruncated: boolean;
  readonly address: string | null;
  readonly detail: string | null;
  /** Without its query. */
  readonly targetUrl: string;
  /** The hash of the whole URL; null: recorded by a release that did not keep it. */
  readonly targetHash: Buffer | null;
  readonly retryAfterMs: number | null;
};

const DETAIL_CHARS_MAX = 255;

/** Returns a delivery's attempts, first to last; undefined: no such delivery. */
export async function listAttempts(
  store: Store,
  { accountId, deliveryId }: { accountId: AccountId; deliveryId: DeliveryId },
): Promise<Attempt[] | undefined> {
  const delivery = await store.db
    .selectFrom("deliveries")
    .select("id")
    .where("id", "=", deliveryId)
    .where("account_id", "=", accountId)
    .executeTakeFirst();
  if (delivery === undefined) return undefined;
  const rows = await store.db
    .selectFrom("attempts")
    .selectAll()
    .where("delivery_id", "=", deliveryId)
    .orderBy("number")
    .execute();
  return rows.map(attemptOf);
}

export function attemptRow(
  delivery: Pick<Selectable<Tables["deliveries"]>, "id" | "account_id">,
  attempt: Attempt,
): Insertable<Tables["attempts"]> {
  return {
    delivery_id: delivery.id,
    number: attempt.number,
    account_id: delivery.account_id,
    started_at: attempt.startedAt,
    duration_ms: attempt.durationMs,
    outcome: attempt.outcome,
    acceptance: attempt.acceptance,
    status: attempt.status,
    response_headers: JSON.stringify(attempt.responseHeaders),
    request_headers: JSON.stringify(attempt.requestHeaders),
    response_body: Buffer.from(attempt.responseBody),
    response_truncated: attempt.responseTruncated ? 1 : 0,
    address: attempt.address,
    detail: attempt.detail === null ? null : attempt.detail.slice(0, DETAIL_CHARS_MAX),
    target_url: attempt.targetUrl,
    target_hash: attempt.targetHash,
    retry_after_ms: attempt.retryAfterMs,
  };
}

function attemptOf(row: Selectable<Tables["attempts"]>): Attempt {
  return {
    number: row.number,
    startedAt: row.started_at,
    durationMs: row.duration_ms,
    outcome: row.outcome,
    acceptance: row.acceptance,
    status: row.status,
    responseHeaders: JSON.parse(row.response_headers),
    requestHeaders: JSON.parse(row.request_headers),
    responseBody: row.response_body,
    responseTruncated: row.response_truncated !== 0,
    address: row.address,
    detail: row.detail,
    targetUrl: row.target_url,
    targetHash: row.target_hash,
    retryAfterMs: row.retry_after_ms,
  };
}
