import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import {
  type EventIngestService,
  type IngestEventRequest,
  type IngestEventResponseSchema,
  SchemaViolationSchema,
} from "@posthaste/contracts/event_ingest";
import { Refusal } from "@posthaste/domain";
import { structJson } from "../catalog/struct-json.ts";
import { type AcceptedEvent, type IncomingEvent, type IngestParts, ingest } from "../ingest/ingest.ts";
import { callerOf, noteIngested, OVER, traceparentOf, turnOf } from "./call-values.ts";

export function eventIngestService(parts: IngestParts): ServiceImpl<typeof EventIngestService> {
  const ingestAll = async (context: HandlerContext, incoming: readonly IncomingEvent[]) => {
    const turn = turnOf(context);
    let looked = 0;
    const { accountId, token } = callerOf(context);
    const results = await ingest(parts, accountId, incoming, {
      chargedTo: token.accountId,
      traceparent: traceparentOf(context),
      inTurn: async (bytes, compute) => {
        // A call may have a thousand contents, each too short to wait for.
        looked += bytes;
        await turn(looked);
        return await compute();
      },
      signal: context.values.get(OVER),
    });
    noteIngested(context, results);
    return results;
  };
  const ingestOne = async (context: HandlerContext, event: IncomingEvent) => {
    const [result] = await ingestAll(context, [event]);
    if (result === undefined) throw new Error("an event was stored without a result");
    return responseTo(result);
  };
  return {
    async ingestEvent(request, context) {
      return await ingestOne(context, incomingFrom(request, ""));
    },
    async ingestEvents(request, context) {
      const incoming = request.events.map((event, i) => incomingFrom(event, `events[${i}].`));
      return { results: (await ingestAll(context, incoming)).map(responseTo) };
    },
  };
}

function responseTo({
  warnings,
  ...event
}: AcceptedEvent): MessageInitShape<typeof IngestEventResponseSchema> {
  return { ...event, warnings: warnings.map((warning) => create(SchemaViolationSchema, warning)) };
}

function incomingFrom(event: IngestEventRequest, path: string): IncomingEvent {
  const { eventType, idempotencyKey, snapshot } = event;
  switch (snapshot.case) {
    case "data": {
      const jsonField = `${path}data`;
      const json = structJson(snapshot.value, jsonField);
      // Connect holds the message until it is answered. A Struct takes up to 20 times as much as its text.
      event.snapshot = { case: "dataJson", value: json };
      return { eventType, idempotencyKey, path, jsonField, json };
    }
    case "dataJson":
      return { eventType, idempotencyKey, path, jsonField: `${path}data_json`, json: snapshot.value };
    case undefined:
      throw new Refusal("invalid", `${path}data or ${path}data_json is missing; send one of them`, {
        field: `${path}data_json`,
      });
  }
}
