import type { JsonObject } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import type { EventCatalogService } from "@posthaste/contracts/event_catalog";
import { type EventType, Refusal, unknownEventTypeMessage } from "@posthaste/domain";
import type { Deps } from "../deps.ts";

export function eventCatalogService({ catalog }: Deps): ServiceImpl<typeof EventCatalogService> {
  return {
    listEventTypes: () => ({ eventTypes: catalog.all().map(eventTypeTo) }),
    getEventType({ code }) {
      const found = catalog.find(code);
      if (found !== undefined) return { eventType: eventTypeTo(found) };
      const codes = catalog.all().map((type) => type.code);
      throw new Refusal("not_found", unknownEventTypeMessage(code, codes), { field: "code" });
    },
  };
}

function eventTypeTo(type: EventType) {
  return {
    code: type.code,
    description: type.description,
    schema: type.schema as JsonObject,
    sampleJson: JSON.stringify(type.sample),
  };
}
