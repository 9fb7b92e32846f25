import type { AccountId } from "@posthaste/domain";
import { EVENT_DATA_BYTES_MAX, parseEventData, Refusal } from "@posthaste/domain";
import type { EventToIngest, IngestedEvent } from "@posthaste/store";
import type { Deps } from "./deps.ts";
import { plainText } from "./plain-text.ts";
import { requireIngestible } from "./require-event-type.ts";
import { checkEvents, type EventToCheck } from "./schema/check-events.ts";
import type { Violation } from "./schema/violations.ts";

/** An event as a caller sends it. */
export type IncomingEvent = {
  readonly eventType: string;
  /** The snapshot's text, and the field it came in. */
  readonly json: string;
  readonly jsonField: string;
  /** Empty: none. */
  readonly idempotencyKey: string;
  /** Comes before field names in refusals, such as `events[3].`. */
  readonly path: string;
};

/** An event that was stored, and how it does not fit its type's schema, where the account wants to know. */
export type AcceptedEvent = IngestedEvent & { readonly warnings: readonly Violation[] };

/**
 * Checks events and stores them, all or none; then the workers are nudged.
 *
 * @throws Refusal naming the field at fault
 */
export async function ingest(
  deps: Deps,
  accountId: AccountId,
  incoming: readonly IncomingEvent[],
  traceparent?: string,
): Promise<AcceptedEvent[]> {
  const events: (EventToIngest & EventToCheck)[] = [];
  for (const event of incoming) events.push(await check(deps, accountId, event));
  const warnings = await checkEvents(deps, accountId, events);
  const results = await deps.ingest({
    accountId,
    events,
    deliveriesMax: deps.fanOutMax,
    now: deps.now(),
    traceparent,
  });
  if (results.some((result) => !result.duplicate)) deps.nudge();
  return results.map((result, i) => ({ ...result, warnings: warnings[i] ?? [] }));
}

const KEY_CHARS_MAX = 255;

async function check(
  deps: Deps,
  accountId: AccountId,
  event: IncomingEvent,
): Promise<EventToIngest & EventToCheck> {
  const field = `${event.path}event_type`;
  const entry = await requireIngestible(deps.catalog, accountId, event.eventType, field);
  const { code } = entry;
  const { data, snapshot } = checkSnapshot(event.json, event.jsonField);
  return {
    entry,
    snapshot,
    field: event.jsonField,
    eventType: code,
    data,
    idempotencyKey:
      event.idempotencyKey === ""
        ? null
        : plainText(event.idempotencyKey, `${event.path}idempotency_key`, KEY_CHARS_MAX),
  };
}

/**
 * Checks a snapshot: Unicode, its size, that it is a JSON object.
 *
 * @throws Refusal naming the field
 */
export function checkSnapshot(json: string, field: string): { data: Buffer; snapshot: unknown } {
  if (!json.isWellFormed()) {
    throw new Refusal("invalid", `${field} is not valid Unicode: it holds half of a surrogate pair`, {
      field,
    });
  }
  const data = Buffer.from(json, "utf8");
  if (data.length > EVENT_DATA_BYTES_MAX) {
    throw new Refusal(
      "too_large",
      `${field} has ${data.length} bytes; at most ${EVENT_DATA_BYTES_MAX} are possible`,
      {
        field,
      },
    );
  }
  return { data, snapshot: parseEventData(json, field).value };
}
