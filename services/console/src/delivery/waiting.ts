import { DeliveryState } from "@posthaste/contracts/delivery";

/** What a delivery waits for whose next attempt is due, by state. */
const DUE: Partial<Record<DeliveryState, string>> = {
  [DeliveryState.PENDING]:
    "Due: waiting for its subscription's rate, a free place, the drain after a pause, a worker or Temporal.",
  [DeliveryState.STARTED]:
    "Due: in progress, waiting for a free place, a worker or Temporal, or paused by an operator (“Retry now” tells you if it is paused).",
};

/** Returns what the next attempt waits for if its time has come. Undefined: its time tells. */
export function whyDue(state: DeliveryState, dueAt: number, now: number): string | undefined {
  return dueAt > now ? undefined : DUE[state];
}

/**
 * Returns when the planned attempts are due if each fails. Those after an attempt that is late are as late.
 *
 * @param planned when they are due by the schedule (epoch milliseconds)
 */
export function expectedAt(planned: readonly number[], now: number): number[] {
  const lateMs = Math.max(0, now - (planned[0] ?? now));
  return planned.map((dueAt, i) => (i === 0 ? dueAt : dueAt + lateMs));
}

const WITHOUT_PLAN: Partial<Record<DeliveryState, string>> = {
  [DeliveryState.PENDING]: "Waiting for its first attempt.",
  [DeliveryState.STARTED]: "The first attempt is in progress.",
  [DeliveryState.PARKED]:
    "Parked while its subscription is paused or disabled, and then until the drain comes to it.",
};

/** Returns what a delivery without planned attempts waits for. Undefined: its attempts tell. */
export function whyNonePlanned(state: DeliveryState, attempts: number): string | undefined {
  if (attempts > 0 && state !== DeliveryState.PARKED) return undefined;
  return WITHOUT_PLAN[state] ?? "No attempts were made.";
}
