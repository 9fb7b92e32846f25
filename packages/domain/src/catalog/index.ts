import type { EventType } from "../event-type.ts";
import { COMPANY_EVENTS } from "./company.ts";
import { CONTACT_EVENTS } from "./contact.ts";
import { OPERATIONAL_EVENTS } from "./operational.ts";
import { PROJECT_EVENTS } from "./project.ts";
import { TASK_EVENTS } from "./task.ts";
import { TIMESHEET_EVENTS } from "./timesheet.ts";
import { TRANSACTION_EVENTS } from "./transaction.ts";

/**
 * The built-in event types that platforms ingest, in alphabetical order of their codes. Event types defined
 * at run time are rows in the database.
 */
export const EVENT_TYPES: readonly EventType[] = [
  ...COMPANY_EVENTS,
  ...CONTACT_EVENTS,
  ...PROJECT_EVENTS,
  ...TASK_EVENTS,
  ...TIMESHEET_EVENTS,
  ...TRANSACTION_EVENTS,
].sort((a, b) => (a.code < b.code ? -1 : 1));

/** The event types that Posthaste itself raises, in alphabetical order of their codes. */
export const OPERATIONAL_EVENT_TYPES: readonly EventType[] = OPERATIONAL_EVENTS;

const OPERATIONAL: ReadonlySet<string> = new Set(OPERATIONAL_EVENT_TYPES.map((type) => type.code));

/**
 * Returns whether Posthaste itself raises events of this type. They cannot be ingested, and `*` does not
 * match them.
 */
export function isOperational(code: string): boolean {
  return OPERATIONAL.has(code);
}
