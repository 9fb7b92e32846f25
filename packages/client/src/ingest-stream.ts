import { setTimeout as sleep } from "node:timers/promises";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type CallOptions, type Client, Code, ConnectError } from "@connectrpc/connect";
import type {
  EventIngestService,
  IngestEventRequestSchema,
  IngestEventResponse,
  IngestRefusal,
} from "@posthaste/contracts/event_ingest";
import { mayPass } from "./retry.ts";

/** An event to send, as `ingestEvent` takes it. */
export type EventToSend = MessageInitShape<typeof IngestEventRequestSchema>;

/** What became of one event: it is committed, or it was refused. */
export type IngestOutcome<Event extends EventToSend = EventToSend> = {
  readonly event: Event;
} & ({ readonly stored: IngestEventResponse } | { readonly refusal: IngestRefusal });

export type IngestStreamOptions = {
  /** Events sent and not acknowledged at most; the source is not asked for more. Default: 500; sensible: 50 to 1,000. */
  readonly windowMax?: number;
  /** Ends the stream; what was not acknowledged may be committed or not. */
  readonly signal?: AbortSignal;
};

const WINDOW_MAX = 500;
/** The longest first pause after a break; it doubles, and the pause is drawn from 0 to it. */
const PAUSE_MS = 100;
const PAUSE_MAX_MS = 2_000;

type Open = Client<typeof EventIngestService>["ingestStream"];
type Sent<Event> = { readonly event: Event; readonly keyed: EventToSend };

/**
 * Sends events from a source on one stream, and tells what became of each, in the order in which that becomes known.
 *
 * Where the stream breaks or the server ends it, another one is opened, and what was not acknowledged is sent again with its
 * idempotency key: each event is stored once. The source is asked for an event when there is room for it, so one that is
 * faster than the server waits, and so does the server for who does not ask for outcomes.
 *
 * @throws ConnectError where the server refuses the stream itself, or has not acknowledged anything in `breaksMax` streams
 */
export async function* ingestStream<Event extends EventToSend>(
  open: Open,
  source: AsyncIterable<Event> | Iterable<Event>,
  options: IngestStreamOptions & { readonly breaksMax: number; readonly closed: AbortSignal },
): AsyncGenerator<IngestOutcome<Event>> {
  const { windowMax = WINDOW_MAX, breaksMax } = options;
  const over = AbortSignal.any([options.closed, ...(options.signal === undefined ? [] : [options.signal])]);
  const events = eventsOf(source);
  const sent = new Map<number, Sent<Event>>();
  let room = () => {};
  let sequence = 0;

  const requests = async function* (ended: AbortSignal) {
    for (const [number, { keyed }] of [...sent]) yield { sequence: number, event: keyed };
    for (;;) {
      if (sent.size >= windowMax) {
        await settledOr(ended, new Promise<void>((resolve) => (room = resolve)));
        if (ended.aborted) return;
        continue;
      }
      const event = await settledOr(ended, events.peek());
      if (event === undefined || ended.aborted) return;
      events.take();
      sequence = (sequence + 1) >>> 0;
      const keyed = event.idempotencyKey ? event : { ...event, idempotencyKey: crypto.randomUUID() };
      sent.set(sequence, { event, keyed });
      yield { sequence, event: keyed };
    }
  };

  try {
    for (let breaks = 0; ; ) {
      const ended = new AbortController();
      try {
        const call: CallOptions = { signal: AbortSignal.any([over, ended.signal]), timeoutMs: 0 };
        for await (const { acknowledgements } of open(requests(ended.signal), call)) {
          breaks = 0;
          for (const { sequence: number, outcome } of acknowledgements) {
            const known = sent.get(number);
            if (known === undefined || outcome.case === undefined) continue;
            sent.delete(number);
            room();
            const { event } = known;
            yield outcome.case === "stored"
              ? { event, stored: outcome.value }
              : { event, refusal: outcome.value };
          }
        }
        if (events.isOver() && sent.size === 0) {
          if (events.failed()) throw events.error();
          return;
        }
        throw new ConnectError("the stream ended before everything was acknowledged", Code.Unavailable);
      } catch (error) {
        if (events.failed()) throw events.error();
        breaks += 1;
        if (over.aborted || !mayPass(error) || breaks >= breaksMax) throw error;
      } finally {
        ended.abort();
      }
      // A stream that was ended for want of events is opened again when there is one.
      if (sent.size === 0 && (await settledOr(over, events.peek())) === undefined && !over.aborted) {
        if (events.failed()) throw events.error();
        return;
      }
      const bound = Math.min(PAUSE_MS * 2 ** (breaks - 1), PAUSE_MAX_MS);
      await sleep(Math.random() * bound, undefined, { signal: over }).catch(() => {
        // The next stream says in the protocol's own words that it is over.
      });
    }
  } finally {
    events.leave();
  }
}

/** A source that can be looked at before it is taken from: what comes while a stream breaks is for the next one. */
function eventsOf<Event>(source: AsyncIterable<Event> | Iterable<Event>) {
  const iterator =
    Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  let coming: Promise<Event | undefined> | undefined;
  let isOver = false;
  let failure: { error: unknown } | undefined;
  const ask = async () => {
    try {
      const next = await iterator.next();
      if (next.done !== true) return next.value;
    } catch (error) {
      failure = { error };
    }
    isOver = true;
    return undefined;
  };
  return {
    /** The next event; undefined: there are no more. */
    peek: (): Promise<Event | undefined> => {
      coming ??= ask();
      return coming;
    },
    take: () => {
      coming = undefined;
    },
    /** Lets go of the source, whoever it waits for. */
    leave: () => void Promise.resolve(iterator.return?.()).catch(() => {}),
    isOver: () => isOver,
    failed: () => failure !== undefined,
    error: () => failure?.error,
  };
}

async function settledOr<T>(signal: AbortSignal, promise: Promise<T>): Promise<T | undefined> {
  if (signal.aborted) return undefined;
  const done = new AbortController();
  const aborted = new Promise<undefined>((resolve) => {
    signal.addEventListener("abort", () => resolve(undefined), { signal: done.signal });
  });
  return await Promise.race([promise, aborted]).finally(() => done.abort());
}
