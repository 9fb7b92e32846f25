import { MINUTE_MS } from "@posthaste/domain";
import { describe, expect, test } from "vitest";
import {
  AT,
  attempt,
  change,
  counts,
  delivery,
  ERASED,
  FACTS,
  known,
  NOW,
  others,
  recovery,
  seen,
  sentTwice,
  subscription,
  succeeded,
  URL,
  waiting,
} from "./example-facts.ts";
import type { Facts, StoredChange } from "./facts.ts";
import { findingsFrom, type Kind, linesOf } from "./findings.ts";

test("a run without a problem has no findings", () => {
  expect(linesOf(findingsFrom(FACTS))).toEqual([]);
});

describe("a run finds", () => {
  test.each<[Kind, string, Partial<Facts>, RegExp]>([
    ["lost", "an accepted event that is not stored", { events: [] }, /not stored as it was sent/],
    ["lost", "an event without its delivery", { deliveries: [] }, /has no delivery to the steady/],
    ["lost", "a success that never arrived", { seen: [seen({ answered: 500 })] }, /arrived: false/],
    ["lost", "a delivery given up", { deliveries: [delivery({ state: "exhausted" })] }, /is exhausted/],
    ["lost", "one cancelled by nobody", { deliveries: [delivery({ state: "cancelled" })] }, /because/],
    [
      "early",
      "a retry before its time",
      {
        attempts: [attempt({ outcome: "status", status: 500 }), attempt({ number: 2 })],
        seen: [seen({ answered: 500 }), seen({ attempt: 2 })],
      },
      /attempt 2 was \d+ ms early/,
    ],
    [
      "early",
      "a retry before its time of a delivery that a recovery has created",
      {
        deliveries: [delivery({ recovery_id: 7 })],
        recoveries: [recovery({ id: 7, created_at: AT })],
        attempts: [attempt({ outcome: "status", status: 500 }), attempt({ number: 2 })],
        seen: [seen({ answered: 500 }), seen({ attempt: 2 })],
      },
      /attempt 2 was \d+ ms early/,
    ],
    [
      "early",
      "a retry that was parked before its time, and sent when its subscription was resumed",
      {
        attempts: [attempt({ outcome: "status", status: 500 }), attempt({ number: 2 })],
        seen: [seen({ answered: 500 }), seen({ attempt: 2 })],
        changes: [
          change({ id: 3, cause: "park", state: "parked", attempts: 1 }),
          change({ id: 4, cause: "drain", state: "pending", attempts: 1 }),
        ],
      },
      /attempt 2 was \d+ ms early when it was parked/,
    ],
    ["wrong", "an event that nobody sent", { accepted: [] }, /stored twice, or never sent/],
    ["wrong", "an attempt that was dropped", { attempts: [] }, /counts 1 attempts and has the numbers /],
    ["wrong", "an answer that nobody gave", { attempts: [attempt({ status: 204 })] }, /no receiver gave/],
    [
      "wrong",
      "attempts that are all sent twice",
      { seen: sentTwice(21) },
      /dlv_0 attempt 21 was sent again after 20 ms/,
    ],
    ["wrong", "a signature that does not verify", { unsigned: [seen()] }, /signature/],
    ["wrong", "a change that was dropped", { changes: [change()] }, /its changes: ingested=pending/],
    ["wrong", "an impossible change", { changes: [succeeded] }, /its changes/],
    [
      "wrong",
      "a skipped statistics change",
      { statistics: [counts(60_000, { attempts: 0 }), counts(900_000)] },
      /60 s from \d+ count 0 attempts, the log 1/,
    ],
    [
      "wrong",
      "a row of an erased account",
      { erasedRows: [{ table: "tokens", accountId: ERASED, rows: 1 }] },
      /1 rows of the erased account 3/,
    ],
    ["wrong", "a process that ended by itself", { troubles: ["worker ended"] }, /worker ended/],
    [
      "open",
      "a delivery left parked",
      { deliveries: [delivery({ state: "parked" })] },
      /dlv_0 is parked .* is active/,
    ],
    [
      "open",
      "an open delivery of an ended subscription",
      {
        subscriptions: [{ ...subscription, state: "ended", ended_at: NOW }],
        deliveries: [delivery({ state: "started", next_attempt_at: NOW + 1 })],
      },
      /is ended/,
    ],
    [
      "open",
      "a retry that was put off for too long",
      { waiting: [waiting({ next_attempt_at: NOW + 71 * MINUTE_MS })] },
      /dlv_0 waits after 1 attempts, and its next attempt is 4260000 ms away/,
    ],
    [
      "open",
      "a retry that the reconciler would have found too late",
      { waiting: [waiting({ reconcile_after: NOW + 20 * MINUTE_MS + 1 })] },
      /the reconciler leaves it alone until/,
    ],
    [
      "open",
      "a retry that the reconciler would never have found, and that nobody asked for",
      { deliveries: [delivery({ state: "started", next_attempt_at: NOW + 1, reconcile_after: null })] },
      /the reconciler leaves it alone until null/,
    ],
    [
      "open",
      "a paused workflow of a delivery that has ended",
      { workflowsOfEnded: [{ deliveryId: "dlv_0", standing: { kind: "paused", by: "retry_now" } }] },
      /dlv_0 has ended, and its workflow is paused/,
    ],
    [
      "open",
      "a workflow that waits for nothing, of a delivery that has ended",
      {
        workflowsOfEnded: [{ deliveryId: "dlv_0", standing: { kind: "running", nextAttemptAt: undefined } }],
      },
      /dlv_0 has ended, and its workflow is running and waits for no time/,
    ],
    ["open", "an unfinished fan-out", { fanouts: [{ event_id: "evt_0" }] }, /fan-out of evt_0/],
    [
      "open",
      "an unfinished erasure",
      { erasures: [{ id: 1, account_id: ERASED, state: "running", ended_at: null }] },
      /erasure 1 of account 3/,
    ],
    [
      "stood still",
      "a delivery that others overtook",
      { seen: [seen({}, AT + 15_001), ...others(1_001)] },
      /waited 15001 ms beside faults, while 1001 requests of others arrived/,
    ],
    [
      "stood still",
      "a delivery that waited while nothing moved",
      { seen: [seen({}, AT + 120_001)] },
      /waited 120001 ms/,
    ],
  ])("%s: %s", (kind, _what, facts, words) => {
    expect(findingsFrom({ ...FACTS, ...facts }).broken[kind]).toContainEqual(expect.stringMatching(words));
  });
});

test("a retry that waits by the schedule, in line or overdue keeps its time", () => {
  const times = [
    waiting(),
    waiting({ attempts: 4, next_attempt_at: NOW + 190 * MINUTE_MS, reconcile_after: NOW + 200 * MINUTE_MS }),
    waiting({ next_attempt_at: NOW + 70 * MINUTE_MS, reconcile_after: NOW + 72 * MINUTE_MS }),
    waiting({ next_attempt_at: NOW - 60 * MINUTE_MS, reconcile_after: NOW + 10 * MINUTE_MS }),
  ];
  expect(linesOf(findingsFrom({ ...FACTS, waiting: times }))).toEqual([]);
});

test("a retry before its time is asked for by a recovery of what waited", () => {
  const facts = {
    deliveries: [delivery({ recovery_id: 7, attempts: 2 })],
    recoveries: [recovery({ id: 7, created_at: AT + 1 })],
    attempts: [attempt({ outcome: "status", status: 500 }), attempt({ number: 2 })],
    seen: [seen({ answered: 500 }), seen({ attempt: 2 })],
  };
  expect(findingsFrom({ ...FACTS, ...facts }).broken.early).toEqual([]);
});

test("a workflow of a delivery that has ended may wait until its next attempt is due", () => {
  const workflow = { deliveryId: "dlv_0", standing: { kind: "running", nextAttemptAt: NOW + 1 } } as const;
  expect(linesOf(findingsFrom({ ...FACTS, workflowsOfEnded: [workflow] }))).toEqual([]);
});

describe("a request beyond the log is a duplicate and no problem", () => {
  const until = AT + 1_000;
  const fault = { at: 0, forMs: 1_000, kind: "kill", target: "worker 1", from: AT, until } as const;

  test.each<[string, Facts["seen"]]>([
    ["if a fault hit its attempt, however late it comes", [seen(), seen({}, AT + 500_000)]],
    ["if the attempt began while a fault was felt", [seen({}, until + 10_000), seen({}, until + 20_000)]],
  ])("%s", (_when, requests) => {
    const findings = findingsFrom({ ...FACTS, faults: [fault], seen: requests });
    expect(findings.broken.wrong).toEqual([]);
    expect(findings.duplicates).toBe(1);
  });

  test("if few are, as with leases of two seconds on a busy machine", () => {
    const { broken } = findingsFrom({ ...FACTS, seen: sentTwice(20) });
    expect(broken.wrong).not.toContainEqual(expect.stringMatching("sent again"));
  });

  test("but not many, if the fault was over or hit an API", () => {
    const ofApi = { ...fault, target: "api 1", until: NOW } as const;
    // However many another receiver got once.
    const once = others(1_000, until + 10_001).map((one, i) => ({ ...one, attempt: i + 1 }));
    const requests = [...sentTwice(21, until + 10_001), ...once];
    const facts = { ...FACTS, faults: [fault, ofApi], seen: requests };
    const again = findingsFrom(facts).broken.wrong.filter((line) => line.includes("sent again"));
    expect(again).toHaveLength(21);
  });
});

describe("an event that one URL was sent by two subscriptions", () => {
  const REPLAYED_AT = AT + 5_000;
  const second = "dlv_2";
  /** The first subscription has ended, and a replay asks for the event for the second one. */
  const twice: Facts = {
    ...FACTS,
    known: new Map([1, 2].map((id) => [id, { ...known, character: "guest", knownAt: id === 1 ? 0 : NOW }])),
    subscriptions: [
      { ...subscription, state: "ended", ended_at: AT + 4_000 },
      { ...subscription, id: 2 },
    ],
    recoveries: [recovery({ kind: "replay", subscription_id: 2, ended_at: REPLAYED_AT })],
    deliveries: [delivery(), delivery({ id: second, subscription_id: 2, created_at: REPLAYED_AT })],
    attempts: [attempt(), attempt({ delivery_id: second })],
    changes: [
      ...[change(), succeeded],
      change({ id: 3, delivery_id: second, subscription_id: 2, cause: "replayed", changed_at: REPLAYED_AT }),
      { ...succeeded, id: 4, delivery_id: second, subscription_id: 2, changed_at: REPLAYED_AT + 10 },
    ],
    statistics: [60_000, 900_000].map((spanMs) => ({
      ...counts(spanMs, { attempts: 2 }),
      ...{ deliveries: 2, succeeded: 2, accepted: 2 },
    })),
    seen: [seen(), seen({ deliveryId: second }, REPLAYED_AT + 5)],
  };

  test("is found, if it was stored that the first one had been accepted", () => {
    const words = new RegExp(`evt_0 at ${URL} was accepted from dlv_0, and again from dlv_2`);
    expect(linesOf(findingsFrom(twice))).toEqual([expect.stringMatching(words)]);
  });

  test("is no problem at two URLs", () => {
    const elsewhere = [attempt(), attempt({ delivery_id: second, target_url: `${URL}0` })];
    expect(linesOf(findingsFrom({ ...twice, attempts: elsewhere }))).toEqual([]);
  });

  test("is no problem if the first attempt was under way, or stored later because of a fault", () => {
    const accepted = (over: Partial<StoredChange>): Facts => ({
      ...twice,
      changes: twice.changes.map((row) => (row.id === succeeded.id ? { ...row, ...over } : row)),
    });
    const stored = { at: 0, forMs: 5_000, kind: "pause", target: "worker 1", from: AT } as const;
    for (const facts of [
      accepted({ changed_at: REPLAYED_AT - 500 }),
      accepted({ id: 5 }),
      { ...twice, faults: [{ ...stored, until: REPLAYED_AT }] },
    ]) {
      expect(linesOf(findingsFrom(facts))).toEqual([]);
    }
  });

  test("need not have a second delivery, unless the URL had accepted none", () => {
    const one = { ...twice, deliveries: [delivery()], attempts: [attempt()] };
    expect(findingsFrom(one).broken.lost).toEqual([]);
    expect(findingsFrom({ ...one, attempts: [] }).broken.lost).toContainEqual(
      expect.stringMatching("no delivery to the guest"),
    );
  });
});
