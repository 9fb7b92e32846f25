import {
  ALL_EVENT_TYPES,
  EVENT_TYPES,
  type EventType,
  OPERATIONAL_EVENT_TYPES,
  Refusal,
  unknownEventTypeMessage,
} from "@posthaste/domain";

/** The event types that may be ingested and subscribed to. */
export type Catalog = {
  find(code: string): EventType | undefined;
  /** In alphabetical order. */
  all(): readonly EventType[];
};

export function builtInCatalog(): Catalog {
  const all = [...EVENT_TYPES, ...OPERATIONAL_EVENT_TYPES].sort((a, b) => (a.code < b.code ? -1 : 1));
  const byCode = new Map(all.map((type) => [type.code, type]));
  return { find: (code) => byCode.get(code), all: () => all };
}

/** @throws Refusal `invalid`, naming near codes */
export function requireEventType(catalog: Catalog, code: string, field: string): EventType {
  const found = catalog.find(code);
  if (found !== undefined) return found;
  const codes = catalog.all().map((type) => type.code);
  throw new Refusal("invalid", unknownEventTypeMessage(code, codes), { field });
}

/**
 * Checks the event types of a subscription: known ones, or `*` alone.
 *
 * @throws Refusal `invalid`
 */
export function requireSubscribable(catalog: Catalog, codes: readonly string[], field: string): void {
  if (codes.length > 1 && codes.includes(ALL_EVENT_TYPES)) {
    throw new Refusal("invalid", `${field} holds * beside others; * alone stands for all`, { field });
  }
  for (const code of codes) if (code !== ALL_EVENT_TYPES) requireEventType(catalog, code, field);
}
