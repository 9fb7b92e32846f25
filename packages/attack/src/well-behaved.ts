import { setTimeout as sleep } from "node:timers/promises";
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

/** Each of its callers sends an event this often: ten a second in all. */
const EVERY_MS = 300;
/** A delivery that takes longer counts as not delivered. */
const DELIVERED_WITHIN_MS = 30_000;
const EVENT = { eventType: "invoice_sent", snapshot: { case: "dataJson" as const, value: '{"paid":true}' } };

/**
 * Creates the account's callers: one that keeps its HTTP/1.1 connections, one over gRPC, and one with a new
 * connection for each call, which notices first if none is taken. No caller repeats a call: a refusal would
 * stay hidden. Another one watches the account's deliveries all the time.
 */
export function createWellBehaved(
  { apiUrl, token }: Stack,
  receiver: Receiver,
  deadlineMs: number,
): WellBehaved {
  const client = (protocol: "connect" | "grpc") =>
    createPosthasteClient({ baseUrl: apiUrl, token, protocol, deadlineMs, attemptsMax: 1 });
  const [overHttp1, overGrpc] = [client("connect"), client("grpc")];
  const once = async (call: (client: PosthasteClient) => Promise<void>) => {
    const fresh = client("connect");
    await call(fresh).finally(() => fresh.close());
  };
  const callers: Readonly<Record<string, typeof once>> = {
    "HTTP/1.1": async (call) => await call(overHttp1),
    gRPC: async (call) => await call(overGrpc),
    "a new connection": once,
  };
  return {
    async live(signal) {
      const accepted = new Map<string, number>();
      const ingestMs: number[] = [];
      const refused: string[] = [];
      const watching = watch(overGrpc, signal, refused);
      const ingest = async (one: PosthasteClient) => {
        const startedAt = performance.now();
        const { eventId } = await one.events.ingestEvent(EVENT);
        ingestMs.push(performance.now() - startedAt);
        accepted.set(eventId, Date.now());
      };
      await Promise.all(
        Object.entries(callers).map(async ([name, call]) => {
          while (!signal.aborted) {
            const next = sleep(EVERY_MS);
            await call(ingest).catch((error: unknown) => refused.push(`${name}: ${error}`));
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

/** Watches the account's deliveries until the signal aborts; notes if a stream ends by an error. */
async function watch(client: PosthasteClient, signal: AbortSignal, refused: string[]): Promise<void> {
  try {
    // A stream ends after some minutes, and is opened again.
    while (!signal.aborted) {
      for await (const _ of client.deliveries.watchDeliveries({}, { signal })) if (signal.aborted) return;
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
