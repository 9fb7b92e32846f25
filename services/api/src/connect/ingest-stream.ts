import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import {
  EventIngestService,
  type IngestAcknowledgement,
  IngestAcknowledgementSchema,
  type IngestEventResponseSchema,
  type IngestStreamRequest,
  IngestStreamRequestSchema,
} from "@posthaste/contracts/event_ingest";
import { Refusal } from "@posthaste/domain";
import { acknowledge, type StreamBounds } from "../acknowledge.ts";
import { requireScope } from "../auth.ts";
import type { Deps } from "../deps.ts";
import type { IncomingEvent } from "../ingest.ts";
import { ruleCheck } from "./check-rules.ts";
import { errorFor } from "./interceptors.ts";

/** The bounds of one stream, as its contract tells them. */
const BOUNDS: StreamBounds = {
  // A few groups of what is committed together: enough to keep the disk busy.
  itemsMax: 500,
  // As much as a batch may have.
  bytesMax: 4 * 1_048_576,
  idleMs: 60_000,
  // Then the client comes again, perhaps to another process.
  lifeMs: 10 * 60_000,
};
/** How long a stream goes on with a token that was revoked meanwhile. */
const TOKEN_LOOK_EVERY_MS = 1_000;
/** When there may be room for another stream. */
const RETRY_AFTER_MS = 5_000;

const SAY = {
  stopping: "this server stops; open another stream and send again what was not acknowledged",
  idle: `no event came for ${BOUNDS.idleMs / 1_000} s; open another stream when there is one`,
  old: `this stream is ${BOUNDS.lifeMs / 60_000} minutes old; open another one`,
} as const;

type Call = (
  context: HandlerContext,
  event: IncomingEvent,
) => Promise<MessageInitShape<typeof IngestEventResponseSchema>>;

/** Makes the handler of IngestStream: each event is a call of its own, and its acknowledgement that call's commit. */
export function ingestStream(
  deps: Deps,
  ingestOne: Call,
  incomingFrom: (event: NonNullable<IngestStreamRequest["event"]>, path: string) => IncomingEvent,
): ServiceImpl<typeof EventIngestService>["ingestStream"] {
  const checkRules = ruleCheck();
  let open = 0;
  const acknowledgementOf = async (
    request: IngestStreamRequest,
    context: HandlerContext,
  ): Promise<IngestAcknowledgement> => {
    const { sequence, event } = request;
    const outcome = await (async () => {
      try {
        checkRules(IngestStreamRequestSchema, request);
        if (event === undefined) throw new Error("a rule let an empty request pass");
        const stored = await ingestOne(context, incomingFrom(event, "event."));
        return { case: "stored" as const, value: stored };
      } catch (error) {
        return { case: "refusal" as const, value: refusalFor(deps, error) };
      }
    })();
    return create(IngestAcknowledgementSchema, { sequence, outcome });
  };

  return async function* ingestStream(requests, context) {
    const { POSTHASTE_INGEST_STREAMS_MAX: openMax } = deps.limits;
    if (open >= openMax) {
      throw new Refusal("too_many", `${open} streams are open, as many as may be; try again later`, {
        retryAfterMs: RETRY_AFTER_MS,
      });
    }
    open += 1;
    try {
      const acknowledged = acknowledge(requests, {
        work: (request) => acknowledgementOf(request, context),
        bytesOf: ({ event }) => (event?.snapshot.case === "dataJson" ? event.snapshot.value.length : 0),
        mayGoOn: lookingAtToken(deps, context),
        ended: (why) => new ConnectError(SAY[why], Code.Unavailable),
        signal: context.signal,
        bounds: BOUNDS,
      });
      for await (const acknowledgements of acknowledged) yield { acknowledgements };
    } finally {
      open -= 1;
    }
  };
}

/** Looks at the stream's token again, once in a while. */
function lookingAtToken(deps: Deps, { requestHeader }: HandlerContext): () => Promise<void> {
  let lookedAt = performance.now();
  return async () => {
    if (performance.now() - lookedAt < TOKEN_LOOK_EVERY_MS) return;
    requireScope(await deps.authenticate(requestHeader.get("authorization")), "events:write");
    lookedAt = performance.now();
  };
}

/** @throws ConnectError where not the event is at fault but the database is away: the stream ends, and may be resumed */
function refusalFor(deps: Deps, error: unknown) {
  const { code, rawMessage } = errorFor(deps, error, EventIngestService.method.ingestStream);
  if (code === Code.Unavailable) throw new ConnectError(rawMessage, code);
  return { code, message: rawMessage, fields: error instanceof Refusal ? [...error.details] : [] };
}
