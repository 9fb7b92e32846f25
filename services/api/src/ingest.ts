import { createHash } from "node:crypto";
import type { AccountId } from "@posthaste/domain";
import { EVENT_DATA_BYTES_MAX, parseEventData, Refusal } from "@posthaste/domain";
import { type EventToIngest, type IngestedEvent, ingestEvents } from "@posthaste/store";
import { requireEventType } from "./catalog.ts";
import type { Deps } from "./deps.ts";
import { plainText } from "./plain-text.ts";

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
): Promise<IngestedEvent[]> {
  const events = incoming.map((event) => check(deps, event));
  const results = await ingestEvents(deps.store, {
    accountId,
    events,
    deliveriesMax: deps.fanOutMax,
    now: deps.now(),
    traceparent,
  });
  if (results.some((result) => !result.duplicate)) deps.nudge();
  return results;
}

const KEY_CHARS_MAX = 255;

function check(deps: Deps, event: IncomingEvent): EventToIngest {
  const { code, operational } = requireEventType(deps.catalog, event.eventType, `${event.path}event_type`);
  if (operational) {
    throw new Refusal("invalid", `${code} is raised by Posthaste itself and cannot be sent`, {
      field: `${event.path}event_type`,
    });
  }
  const { data, canonical } = checkSnapshot(event.json, event.jsonField);
  return {
    eventType: code,
    data,
    contentHash: createHash("sha256").update(`${code}\n${canonical}`).digest(),
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
export function checkSnapshot(json: string, field: string): { data: Buffer; canonical: string } {
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
  const { canonical } = parseEventData(json, field);
  return { data, canonical };
}
