import { setTimeout as sleep } from "node:timers/promises";
import { createPosthasteClient, type PosthasteClient } from "@posthaste/client";
import type { Stack } from "@posthaste/stack";

/** An accepted event: its number in the traffic, and its id. */
export type Accepted = { readonly n: number; readonly eventId: string };

/** A small part of what two cores deliver with everything running on them. */
const EVENTS_PER_SECOND = 4;
/** Callers that wait for a faulty API at once; more would only queue. */
const IN_FLIGHT_MAX = 100;
const CALL_DEADLINE_MS = 4_000;
const REPEAT_PAUSE_MS = 200;
/** How long an event may take to be accepted after the sending has stopped. */
const ACCEPTED_WITHIN_MS = 60_000;

/** Returns the snapshot that event number `n` is sent with. */
export function snapshotOf(n: number): string {
  return `{"n":${n},"Notes":"chaos é ${"x".repeat(n % 50)}"}`;
}

/**
 * Sends events at a steady rate until `stop` aborts. Each event is sent by a caller that repeats the call,
 * with one idempotency key and to both APIs in turn, until the event is accepted.
 *
 * @returns the accepted events, in no order
 * @throws the last call's error if an event is not accepted within a minute of `stop`
 */
export async function sendEvents(stack: Stack, stop: AbortSignal): Promise<Accepted[]> {
  const clients = stack.apiUrls.map((baseUrl) =>
    createPosthasteClient({ baseUrl, token: stack.token, deadlineMs: CALL_DEADLINE_MS, attemptsMax: 1 }),
  );
  const accepted: Accepted[] = [];
  const inFlight = new Set<Promise<void>>();
  for (let n = 0; !stop.aborted; n++) {
    const sent = send(clients, n, stop).then((eventId) => {
      accepted.push({ n, eventId });
      inFlight.delete(sent);
    });
    inFlight.add(sent);
    await sleep(1_000 / EVENTS_PER_SECOND);
    if (inFlight.size >= IN_FLIGHT_MAX) await Promise.race(inFlight);
  }
  await Promise.all(inFlight);
  await Promise.all(clients.map((client) => client.close()));
  return accepted;
}

async function send(clients: readonly PosthasteClient[], n: number, stop: AbortSignal): Promise<string> {
  let stoppedAt: number | undefined;
  for (let call = n; ; call++) {
    try {
      const answer = await clients[call % clients.length]?.events.ingestEvent({
        eventType: "invoice_sent",
        snapshot: { case: "dataJson", value: snapshotOf(n) },
        idempotencyKey: `chaos-${n}`,
      });
      if (answer !== undefined) return answer.eventId;
    } catch (error) {
      if (stop.aborted) stoppedAt ??= Date.now();
      if (stoppedAt !== undefined && Date.now() - stoppedAt > ACCEPTED_WITHIN_MS) throw error;
    }
    await sleep(REPEAT_PAUSE_MS);
  }
}
