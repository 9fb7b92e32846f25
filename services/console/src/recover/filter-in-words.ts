import { DeliveryState, type Recovery } from "@posthaste/contracts/delivery";
import { OUTCOMES } from "../parts/badge.tsx";

const STATES: Partial<Record<DeliveryState, string>> = {
  [DeliveryState.STARTED]: "waiting for a retry",
  [DeliveryState.SUCCEEDED]: "succeeded",
  [DeliveryState.EXHAUSTED]: "exhausted",
  [DeliveryState.BLOCKED]: "blocked",
  [DeliveryState.CANCELLED]: "cancelled",
};

/** Says what a recovery is for, a few words for each of its filters. */
export function filterInWords(
  recovery: Pick<Recovery, "states" | "eventTypes" | "outcomes" | "statuses" | "attemptsMin" | "eventId">,
): string[] {
  const { states, eventTypes, outcomes, statuses, attemptsMin } = recovery;
  const lists = [
    states.map((state) => STATES[state] ?? "unknown"),
    eventTypes,
    outcomes.map((outcome) => OUTCOMES[outcome].split(":")[0]?.toLowerCase() ?? ""),
    statuses.map((status) => `status ${status}`),
    attemptsMin === 0 ? [] : [`at least ${attemptsMin} ${attemptsMin === 1 ? "attempt" : "attempts"}`],
    recovery.eventId === "" ? [] : [`event ${recovery.eventId}`],
  ];
  return lists.filter((list) => list.length > 0).map((list) => OR.format(list));
}

const OR = new Intl.ListFormat("en", { type: "disjunction" });
