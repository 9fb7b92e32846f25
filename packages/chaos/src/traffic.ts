import { setTimeout as sleep } from "node:timers/promises";
import { createPosthasteClient, type PosthasteClient } from "@posthaste/client";
import type { Stack } from "@posthaste/stack";

/** An event that was accepted: its number, and the id it got. */
export type Accepted = { readonly n: number; readonly eventId: string };

/** What this machine delivers several times over, beside everything else that runs on it. */
const EVENTS_PER_SECOND = 4;
/** Callers that wait for a faulty API; more would only queue. */
const UNDER_WAY_MAX = 100;
const CALL_DEADLINE_MS = 4_000;
const REPEAT_PAUSE_MS = 200;
/** After the faults are over, everything is accepted within this. */
const ACCEPTED_WITHIN_MS = 60_000;

export function snapshotOf(n: number): string {
  return `{"n":${n},"Notes":"chaos é ${"x".repeat(n % 50)}"}`;
}

/**
 * Sends events at a steady rate until told to stop, each by a caller that repeats it, with its idempotency key and at
 * either API, until it is accepted.
 *
 * @returns what was accepted, in no order; rejects where one is not, though everything runs
 */
export async function sendEvents(stack: Stack, stop: AbortSignal): Promise<Accepted[]> {
  const clients = stack.apiUrls.map((baseUrl) =>
    createPosthasteClient({ baseUrl, token: stack.token, deadlineMs: CALL_DEADLINE_MS, attemptsMax: 1 }),
  );
  const accepted: Accepted[] = [];
  const underWay = new Set<Promise<void>>();
  for (let n = 0; !stop.aborted; n++) {
    const sent = send(clients, n, stop).then((eventId) => {
      accepted.push({ n, eventId });
      underWay.delete(sent);
    });
    underWay.add(sent);
    await sleep(1_000 / EVENTS_PER_SECOND);
    if (underWay.size >= UNDER_WAY_MAX) await Promise.race(underWay);
  }
  await Promise.all(underWay);
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
