import { describe, expect, test } from "vitest";
import { askedKey, type Facts, findingsFrom, type StoredAttempt, type StoredDelivery } from "./findings.ts";
import type { Seen } from "./receivers.ts";

const NOW = 1_000;
const snapshotOf = (n: number) => `{"n":${n}}`;
const seen = (over: Partial<Seen> & { body?: string } = {}): Seen => ({
  character: "steady",
  eventId: "evt_0",
  deliveryId: "dlv_0",
  attempt: 1,
  answered: 200,
  request: {
    method: "POST",
    path: "/",
    headers: {},
    receivedAt: 0,
    body: Buffer.from(over.body ?? '[{"n":0}]'),
  },
  ...over,
});
const delivery = (over: Partial<StoredDelivery> = {}): StoredDelivery => ({
  id: "dlv_0",
  event_id: "evt_0",
  subscription_id: 1,
  state: "succeeded",
  attempts: 1,
  next_attempt_at: null,
  ...over,
});
const attempt = (over: Partial<StoredAttempt> = {}): StoredAttempt => ({
  delivery_id: "dlv_0",
  number: 1,
  outcome: "accepted",
  status: 200,
  started_at: 0,
  duration_ms: 0,
  retry_after_ms: null,
  ...over,
});

/** One event to one steady receiver, without a problem. */
const FACTS: Facts = {
  accepted: [{ n: 0, eventId: "evt_0" }],
  snapshotOf,
  characters: new Map([[1, "steady"]]),
  events: [{ id: "evt_0", data: Buffer.from('{"n":0}') }],
  deliveries: [delivery()],
  attempts: [attempt()],
  seen: [seen()],
  unsigned: [],
  counted: { events: 1, deliveries: 1, succeeded: 1, failed: 0, attempts: 1, accepted: 1 },
  asked: new Set(),
  now: NOW,
};
const findingsWith = (over: Partial<Facts>) => findingsFrom({ ...FACTS, ...over });

test("a run without a problem has no findings", () => {
  expect(findingsFrom(FACTS)).toEqual({ lost: [], early: [], wrong: [], duplicates: 0 });
});

describe("a run has lost", () => {
  test.each<[string, Partial<Facts>, RegExp]>([
    ["an accepted event that is not stored", { events: [] }, /is not stored/],
    [
      "an event that is stored with another snapshot",
      { events: [{ id: "evt_0", data: Buffer.from("{}") }] },
      /is not stored as/,
    ],
    [
      "an event without its delivery",
      { deliveries: [], attempts: [], seen: [] },
      /has no delivery to the steady/,
    ],
    [
      "a delivery that is pending",
      { deliveries: [delivery({ state: "pending", attempts: 0 })], attempts: [] },
      /pending after 0/,
    ],
    [
      "a delivery that succeeded without a request that was answered with 200",
      { seen: [seen({ answered: 500 })] },
      /arrived: false/,
    ],
    ["a delivery that is exhausted", { deliveries: [delivery({ state: "exhausted" })] }, /is exhausted/],
    [
      "a delivery to a failing receiver that has no next attempt",
      {
        characters: new Map([[1, "failing"]]),
        deliveries: [delivery({ state: "started", next_attempt_at: NOW - 1 })],
      },
      /failing receiver is started/,
    ],
    [
      "a delivery to a leaving receiver that stays open",
      { characters: new Map([[1, "leaving"]]), deliveries: [delivery({ state: "started" })] },
      /leaving/,
    ],
  ])("%s", (_what, facts, words) => {
    expect(findingsWith(facts).lost).toEqual([expect.stringMatching(words)]);
  });

  test("not the deliveries that got as far as their receiver allows", () => {
    const waits = {
      characters: new Map([[1, "failing" as const]]),
      deliveries: [delivery({ state: "started", next_attempt_at: NOW + 1 })],
    };
    const cancelled = {
      characters: new Map([[1, "leaving" as const]]),
      deliveries: [delivery({ state: "cancelled" })],
    };
    for (const facts of [waits, cancelled]) expect(findingsWith(facts).lost).toEqual([]);
  });
});

describe("a run is wrong in case of", () => {
  test.each<[string, Partial<Facts>, RegExp]>([
    [
      "an event that nobody sent",
      { events: [...FACTS.events, { id: "evt_9", data: Buffer.from("{}") }] },
      /evt_9 was stored twice/,
    ],
    [
      "two deliveries of one event to one subscription",
      { deliveries: [delivery(), delivery({ id: "dlv_1", attempts: 0 })] },
      /two deliveries/,
    ],
    ["an attempt number that occurs twice", { attempts: [attempt(), attempt()] }, /has the numbers 1, 1/],
    [
      "a gap in the attempt numbers",
      { attempts: [attempt({ number: 2 })], seen: [seen({ attempt: 2 }), seen()] },
      /has the numbers 2/,
    ],
    [
      "an attempt that is counted and not logged",
      { deliveries: [delivery({ attempts: 2 })] },
      /counts 2 attempts/,
    ],
    [
      "an answer that no receiver gave",
      { attempts: [attempt({ status: 204 })] },
      /a 204 that no receiver gave/,
    ],
    ["another body", { seen: [seen({ body: "[{}]" })] }, /another body/],
    [
      "a request of an unknown delivery",
      { seen: [seen(), seen({ deliveryId: "dlv_9" })] },
      /the unknown dlv_9 of evt_0/,
    ],
    ["a signature that does not verify", { unsigned: [seen()] }, /signature does not verify/],
  ])("%s", (_what, facts, words) => {
    expect(findingsWith(facts).wrong).toContainEqual(expect.stringMatching(words));
  });
});

test("a request beyond the log is a duplicate and no problem", () => {
  expect(findingsWith({ seen: [seen(), seen()] })).toEqual({ lost: [], early: [], wrong: [], duplicates: 1 });
});

test("an attempt that never reached its receiver is no duplicate", () => {
  const facts = {
    deliveries: [delivery({ attempts: 2 })],
    attempts: [attempt({ outcome: "refused", status: null }), attempt({ number: 2 })],
    seen: [seen({ attempt: 2 })],
    asked: new Set([askedKey("dlv_0", 2)]),
    counted: { ...FACTS.counted, attempts: 2 },
  };
  expect(findingsWith(facts)).toEqual({ lost: [], early: [], wrong: [], duplicates: 0 });
});

test("a retry before its time is early unless it was requested", () => {
  const facts = {
    deliveries: [delivery({ attempts: 2 })],
    attempts: [attempt({ outcome: "status", status: 503 }), attempt({ number: 2 })],
    seen: [seen({ answered: 503 }), seen({ attempt: 2 })],
    counted: { ...FACTS.counted, attempts: 2 },
  };
  expect(findingsWith(facts)).toMatchObject({
    lost: [],
    wrong: [],
    early: [expect.stringMatching(/attempt 2 was \d+ ms early/)],
  });
  expect(findingsWith({ ...facts, asked: new Set([askedKey("dlv_0", 2)]) }).early).toEqual([]);
});

test("statistics that differ from the log are wrong", () => {
  const counted = { ...FACTS.counted, succeeded: 2, attempts: 2 };
  expect(findingsWith({ counted }).wrong).toEqual([
    "the statistics count 2 succeeded, the log 1",
    "the statistics count 2 attempts, the log 1",
  ]);
});
