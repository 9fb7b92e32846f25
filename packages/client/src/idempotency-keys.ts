import { isMessage } from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import {
  type IngestEventRequest,
  IngestEventRequestSchema,
  type IngestEventsRequest,
  IngestEventsRequestSchema,
} from "@posthaste/contracts/event_ingest";

/**
 * Adds an idempotency key to each event without one. It must run before the retries, so that every retry of a
 * call carries the same keys. The caller's message is not modified.
 */
export function addIdempotencyKeys(newKey: () => string = () => crypto.randomUUID()): Interceptor {
  const withKey = (event: IngestEventRequest): IngestEventRequest =>
    event.idempotencyKey === "" ? { ...event, idempotencyKey: newKey() } : event;
  return (next) => async (request) => {
    if (request.stream) return await next(request);
    const { message } = request;
    if (isMessage(message, IngestEventRequestSchema))
      return await next({ ...request, message: withKey(message) });
    if (isMessage(message, IngestEventsRequestSchema)) {
      const batch: IngestEventsRequest = { ...message, events: message.events.map(withKey) };
      return await next({ ...request, message: batch });
    }
    return await next(request);
  };
}
