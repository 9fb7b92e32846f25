import { DeliveryState, Outcome } from "@posthaste/contracts/delivery";
import { expect, test } from "vitest";
import { filterInWords } from "./filter-in-words.ts";

const NONE = { states: [], eventTypes: [], outcomes: [], statuses: [], attemptsMin: 0, eventId: "" };

test("says nothing of a recovery of everything", () => {
  expect(filterInWords(NONE)).toEqual([]);
});

test("has a few words for each filter", () => {
  const filter = {
    ...{ states: [DeliveryState.STARTED, DeliveryState.EXHAUSTED], eventTypes: ["invoice_sent"] },
    ...{ outcomes: [Outcome.TIMEOUT], statuses: [500, 502, 503], attemptsMin: 2, eventId: "evt_1" },
  };
  expect(filterInWords(filter)).toEqual([
    "waiting for a retry or exhausted",
    "invoice_sent",
    "timed out",
    "status 500, status 502, or status 503",
    "at least 2 attempts",
    "event evt_1",
  ]);
});
