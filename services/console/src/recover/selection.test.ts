import { DeliveryState } from "@posthaste/contracts/delivery";
import { expect, test } from "vitest";
import {
  readSelection,
  recoverRequestOf,
  replayRequestOf,
  sendsAccepted,
  statusesFrom,
  UNDELIVERED,
  waitingFor,
} from "./selection.ts";

const { STARTED, EXHAUSTED, SUCCEEDED } = DeliveryState;

test("what waits for a subscription is asked for from the beginning, and until now", () => {
  const request = recoverRequestOf(waitingFor(12), 100);
  expect(request).toMatchObject({ subscriptionId: 12, states: [STARTED], ratePerSecond: 100 });
  expect(request.since).toMatchObject({ seconds: 0n });
  expect(request).not.toHaveProperty("until");
});

test("a range has both of its ends, to the millisecond", () => {
  const request = recoverRequestOf({ ...UNDELIVERED, sinceMs: 1_500, untilMs: 2_250 }, 1);
  expect(request.since).toMatchObject({ seconds: 1n, nanos: 500_000_000 });
  expect(request.until).toMatchObject({ seconds: 2n, nanos: 250_000_000 });
});

test("only what was accepted is asked about first", () => {
  expect(sendsAccepted(UNDELIVERED)).toBe(false);
  expect(sendsAccepted({ states: [EXHAUSTED, SUCCEEDED] })).toBe(true);
});

test.each([
  ["subscription=12&state=started", { subscriptionId: 12, states: [STARTED] }],
  ["state=exhausted,started", { states: [STARTED, EXHAUSTED] }],
  ["state=parked,nonsense&subscription=-1", {}],
  ["subscription=1.5", {}],
  ["", {}],
])("the address %j chooses what it can", (search, selection) => {
  expect(readSelection(search)).toEqual(selection);
});

test("a replay asks for no states, outcomes or statuses", () => {
  const request = replayRequestOf({ ...waitingFor(3), kind: "replay", eventTypes: ["invoice_sent"] }, 5);
  expect(Object.keys(request).sort()).toEqual(["eventTypes", "ratePerSecond", "since", "subscriptionId"]);
});

test.each([
  ["500, 503", [500, 503]],
  [" 404 404\n410 ", [404, 410]],
  ["", []],
  ["50", undefined],
  ["600", undefined],
  ["5xx", undefined],
  ["500;503", undefined],
])("the statuses %j are %j", (text, statuses) => {
  expect(statusesFrom(text)).toEqual(statuses);
});
