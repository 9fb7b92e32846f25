import { setTimeout as sleep } from "node:timers/promises";
import { type AccountName, EVENT_TYPE, type World } from "../world.ts";
import { firstOf, type Sender, snapshotOf } from "./numbers.ts";

/** A small part of what two cores deliver with everything running on them. */
const EVENTS_PER_SECOND: Readonly<Record<AccountName, number>> = { good: 4, hostile: 2 };
/** Callers that wait for a faulty API at once; more would only queue. */
const IN_FLIGHT_MAX = 100;

/** The number of the event that an account sends at about the middle of a run. */
export function middleOf(account: AccountName, seconds: number): number {
  return Math.floor((seconds * EVENTS_PER_SECOND[account]) / 2);
}

/**
 * Sends an account's events at a steady rate until the end of the traffic. Each event is sent by a caller
 * that repeats the call, with one idempotency key and to both APIs in turn, until the event is accepted.
 *
 * @throws the last call's error if an event is not accepted within a minute of the end
 */
export async function sendEvents(world: World, account: AccountName): Promise<void> {
  const inFlight = new Set<Promise<void>>();
  for (let n = firstOf(account); !world.stop.aborted; n++) {
    const sent = sendEvent(world, account, { n, eventType: EVENT_TYPE }).then(() => {
      inFlight.delete(sent);
    });
    inFlight.add(sent);
    await sleep(1_000 / EVENTS_PER_SECOND[account]);
    if (inFlight.size >= IN_FLIGHT_MAX) await Promise.race(inFlight);
  }
  await Promise.all(inFlight);
}

/** Sends one event until it is accepted, and enters it into the ledger. */
export async function sendEvent(
  { callers, ledger }: Pick<World, "callers" | "ledger">,
  account: AccountName,
  { n, eventType }: { n: number; eventType: string },
): Promise<void> {
  const sentAt = Date.now();
  const { eventId } = await callers[account].insist((client) =>
    client.events.ingestEvent(eventNumber(n, eventType)),
  );
  ledger.accepted.push({ account, n, eventId, eventType, sentAt, acceptedAt: Date.now() });
}

/** Returns the call that ingests event number `n`; the same number has the same idempotency key. */
export function eventNumber(n: number, eventType: string) {
  return {
    eventType,
    snapshot: { case: "dataJson" as const, value: snapshotOf(n) },
    idempotencyKey: `chaos-${n}`,
  };
}

/** The event that a sender's act number `n` sends. */
export function eventOfAct(sender: Sender, n: number): number {
  return firstOf(sender) + n;
}
