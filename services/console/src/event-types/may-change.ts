import type { EventType } from "@posthaste/contracts/event_catalog";

/**
 * Tells whether the reader may change an event type, or archive it.
 *
 * @param can whether the token has a scope
 */
export function mayChange(eventType: EventType, can: (scope: string) => boolean): boolean {
  const { builtIn, shared, archivedAt } = eventType;
  return !builtIn && archivedAt === undefined && can(shared ? "admin" : "catalog:write");
}
