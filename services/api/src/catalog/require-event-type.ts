import {
  type AccountId,
  ALL_EVENT_TYPES,
  isOperational,
  Refusal,
  unknownEventTypeMessage,
} from "@posthaste/domain";
import type { Catalog, CatalogEntry } from "./catalog.ts";

/**
 * Finds an event type of the account, even if archived.
 *
 * @throws Refusal `invalid` (or `otherwise`), naming similar codes
 */
export async function requireEventType(
  catalog: Catalog,
  accountId: AccountId,
  code: string,
  field: string,
  otherwise: "invalid" | "not_found" = "invalid",
): Promise<CatalogEntry> {
  const found = await catalog.find(accountId, code);
  if (found !== undefined) return found;
  throw new Refusal(otherwise, unknownEventTypeMessage(code, ...(await catalog.codes(accountId))), {
    reason: "EVENT_TYPE_UNKNOWN",
    field,
  });
}

/**
 * Finds an event type that callers may ingest.
 *
 * @throws Refusal `invalid`; `wrong_state` for an archived type
 */
export async function requireIngestible(
  catalog: Catalog,
  accountId: AccountId,
  code: string,
  field: string,
): Promise<CatalogEntry> {
  const entry = await requireLive(catalog, accountId, code, field);
  if (!isOperational(code)) return entry;
  throw new Refusal("invalid", `${code} is sent by Posthaste itself and cannot be ingested`, { field });
}

/**
 * Finds an event type that is not archived.
 *
 * @throws Refusal `invalid`; `wrong_state` for an archived type
 */
export async function requireLive(
  catalog: Catalog,
  accountId: AccountId,
  code: string,
  field: string,
): Promise<CatalogEntry> {
  const entry = await requireEventType(catalog, accountId, code, field);
  if (entry.archivedAt === null) return entry;
  throw new Refusal(
    "wrong_state",
    `the event type ${code} is archived and accepts no new events; use another event type`,
    { reason: "EVENT_TYPE_ARCHIVED", field },
  );
}

/**
 * Checks the event types of a subscription: known types, or `*` alone.
 *
 * @param options.had reads the subscription's current types; it may keep them even if they are archived
 * @throws Refusal `invalid`; `wrong_state` for an archived type
 */
export async function requireSubscribable(
  catalog: Catalog,
  accountId: AccountId,
  codes: readonly string[],
  options: { field: string; had?: () => Promise<readonly string[]> },
): Promise<void> {
  const { field, had = async () => [] } = options;
  if (codes.length > 1 && codes.includes(ALL_EVENT_TYPES)) {
    throw new Refusal("invalid", `${field} holds * and other types; send * alone for all types`, { field });
  }
  let kept: readonly string[] | undefined;
  for (const code of codes) {
    if (code === ALL_EVENT_TYPES) continue;
    const entry = await requireEventType(catalog, accountId, code, field);
    if (entry.archivedAt === null) continue;
    kept ??= await had();
    if (kept.includes(code)) continue;
    throw new Refusal(
      "wrong_state",
      `the event type ${code} is archived and accepts no new subscriptions; use another event type`,
      { reason: "EVENT_TYPE_ARCHIVED", field },
    );
  }
}
