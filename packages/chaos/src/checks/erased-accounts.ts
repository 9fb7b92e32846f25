import type { Check } from "./facts.ts";

/**
 * An attempt that was under way when its account was erased may still arrive; attempts have 15 s by default.
 */
const UNDER_WAY_MS = 15_000;

/** No row of an erased account is left, and nothing of it is sent any more. */
export const erasedIsGone: Check = (facts) => {
  const erasedAt = new Map(facts.erasures.map((row) => [row.account_id, row.ended_at]));
  const accountOf = new Map(facts.deliveries.map((row) => [row.id, row.account_id]));
  return [
    ...facts.erasedRows.map(
      ({ table, accountId, rows }) => `${rows} rows of the erased account ${accountId} are left in ${table}`,
    ),
    ...facts.seen.flatMap(({ deliveryId, attempt, request }) => {
      const at = erasedAt.get(accountOf.get(deliveryId) ?? 0) ?? null;
      return at !== null && request.receivedAt > at + UNDER_WAY_MS
        ? [
            `${deliveryId} attempt ${attempt} arrived ${request.receivedAt - at} ms after its account was erased`,
          ]
        : [];
    }),
  ];
};
