import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { createPosthasteClient, type PosthasteClient } from "@posthaste/client";
import type { Stack } from "@posthaste/stack";
import { poll, type Receiver } from "@posthaste/testkit";

/** What a phase was like for the well-behaved account. Durations are milliseconds. */
export type Phase = {
  readonly events: number;
  /** Why calls were not answered, in the API's words. */
  readonly refused: readonly string[];
  readonly undelivered: number;
  readonly ingestMs: readonly number[];
  /** From an event's acceptance to its arrival. */
  readonly deliveryMs: readonly number[];
};

/** The account that must notice nothing. */
export type WellBehaved = {
  /** Ingests until the signal aborts, and waits until what was accepted has arrived. */
  live(signal: AbortSignal): Promise<Phase>;
  /** Closes its connections. */
  close(): Promise<void>;
};

type Caller = {
  /** @returns the event's ID */
  ingest(): Promise<string>;
  read?(eventId: string): Promise<void>;
};

/** Each of its callers sends an event this often: thirteen a second in all. */
const EVERY_MS = 300;
/** A delivery that takes longer counts as not delivered. */
const DELIVERED_WITHIN_MS = 30_000;
/** The server ends a stream after ten minutes, and it is opened again. */
const STREAM_MS_MIN = 9 * 60_000;
/** An answer with so many is compressed: they take 10 kB. */
const COMPRESSED_WORDS = 2_000;
const EVENT = { eventType: "invoice_sent", snapshot: { case: "dataJson" as const, value: '{"paid":true}' } };

/**
 * Creates the account's callers: one that keeps its HTTP/1.1 connections, one over gRPC, one with a new
 * connection for each call, which notices first if none is taken, and one that compresses. No caller
 * repeats a call: a refusal would stay hidden. Another one watches the account's deliveries all the time.
 */
export function createWellBehaved(stack: Stack, receiver: Receiver, deadlineMs: number): WellBehaved {
  const { apiUrl, token } = stack;
  const client = (protocol: "connect" | "grpc") =>
    createPosthasteClient({ baseUrl: apiUrl, token, protocol, deadlineMs, attemptsMax: 1 });
  const [overHttp1, overGrpc] = [client("connect"), client("grpc")];
  const ingest = async ({ events }: PosthasteClient) => (await events.ingestEvent(EVENT)).eventId;
  const callers: Readonly<Record<string, Caller>> = {
    "HTTP/1.1": { ingest: async () => await ingest(overHttp1) },
    gRPC: { ingest: async () => await ingest(overGrpc) },
    "a new connection": {
      async ingest() {
        const fresh = client("connect");
        return await ingest(fresh).finally(() => fresh.close());
      },
    },
    compressed: compressing(stack, deadlineMs),
  };
  return {
    async live(signal) {
      const accepted = new Map<string, number>();
      const ingestMs: number[] = [];
      const refused: string[] = [];
      const watching = watch(overGrpc, signal, refused);
      const call = async ({ ingest, read }: Caller) => {
        const startedAt = performance.now();
        const eventId = await ingest();
        ingestMs.push(performance.now() - startedAt);
        accepted.set(eventId, Date.now());
        await read?.(eventId);
      };
      await Promise.all(
        Object.entries(callers).map(async ([name, caller]) => {
          while (!signal.aborted) {
            const next = sleep(EVERY_MS);
            await call(caller).catch((error: unknown) => refused.push(`${name}: ${error}`));
            await next;
          }
        }),
      );
      await watching;
      const arrivals = () => arrivedAt(receiver);
      await poll(() => [...accepted.keys()].every((id) => arrivals().has(id)), {
        withinMs: DELIVERED_WITHIN_MS,
      });
      const arrived = arrivals();
      const deliveryMs = [...accepted].flatMap(([id, at]) => {
        const arrival = arrived.get(id);
        // Both are this machine's clock; an answer may be read after the delivery has arrived.
        return arrival === undefined ? [] : [Math.max(0, arrival - at)];
      });
      const undelivered = accepted.size - deliveryMs.length;
      return { events: accepted.size + refused.length, refused, undelivered, ingestMs, deliveryMs };
    },
    async close() {
      await Promise.all([overHttp1.close(), overGrpc.close()]);
    },
  };
}

/** Returns a caller that compresses its events, and reads them in answers that are compressed. */
function compressing({ apiUrl, token }: Stack, deadlineMs: number): Caller {
  const call = async (method: string, message: object) => {
    const response = await fetch(`${apiUrl}/posthaste.v1.${method}`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${token}`,
        // A connection that `fetch` keeps would count as left open.
        connection: "close",
        ...{ "content-type": "application/json", "content-encoding": "gzip", "accept-encoding": "gzip" },
      },
      body: gzipSync(JSON.stringify(message)),
      signal: AbortSignal.timeout(deadlineMs),
    });
    const text = await response.text();
    if (response.ok) return JSON.parse(text);
    throw new Error(text);
  };
  const dataJson = JSON.stringify({ text: "paid ".repeat(COMPRESSED_WORDS) });
  const event = { eventType: "invoice_sent", dataJson };
  return {
    ingest: async () => (await call("EventIngestService/IngestEvent", event)).eventId,
    read: async (id) => await call("DeliveryService/GetEvent", { id }),
  };
}

/**
 * Watches the account's deliveries until the signal aborts; notes if a stream ends by an error, or before its
 * time.
 */
async function watch(client: PosthasteClient, signal: AbortSignal, refused: string[]): Promise<void> {
  try {
    while (!signal.aborted) {
      const openedAt = performance.now();
      for await (const _ of client.deliveries.watchDeliveries({}, { signal })) if (signal.aborted) return;
      const ms = performance.now() - openedAt;
      if (ms < STREAM_MS_MIN && !signal.aborted) refused.push("the stream of deliveries ended early");
    }
  } catch (error) {
    if (!signal.aborted) refused.push(`the stream of deliveries: ${error}`);
  }
}

/** Returns when each event arrived first. */
function arrivedAt(receiver: Receiver): ReadonlyMap<string, number> {
  const arrivals = new Map<string, number>();
  for (const { headers, receivedAt } of receiver.requests) {
    const id = headers["webhook-id"] ?? "";
    if (!arrivals.has(id)) arrivals.set(id, receivedAt);
  }
  return arrivals;
}
