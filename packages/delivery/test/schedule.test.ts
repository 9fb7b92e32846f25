import { MINUTE_MS } from "@posthaste/domain";
import { getDelivery, getSubscription, listAttempts } from "@posthaste/store";
import { type DeliverySetup, type Started, setupDelivery } from "@posthaste/testkit/delivery";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const SECOND_MS = 1_000;

let t: DeliverySetup;
beforeEach(async () => {
  t = await setupDelivery("time-skipping");
  await t.startWorker();
});
afterEach(() => t.dispose());

const minutesAfterStart = async (started: Started) => {
  const attempts =
    (await listAttempts(t.store, { accountId: t.accountId, deliveryId: started.deliveryId })) ?? [];
  return attempts.map((attempt) => (attempt.startedAt - started.startedAt) / MINUTE_MS);
};
const finished = (started: Started) =>
  t.env.client.workflow.getHandle(t.temporal.names.delivery(started.deliveryId)).result();
const row = (started: Started) => getDelivery(t.store, { accountId: t.accountId, id: started.deliveryId });

/**
 * Expects each attempt at the schedule's wait after the one before: not earlier, and at most 30 s later. The
 * virtual clock includes real time, so a busy machine delays attempts. A wrong schedule would be off by
 * minutes.
 */
const expectOnSchedule = (actual: number[], expected: number[]) => {
  expect(actual).toHaveLength(expected.length);
  for (const [i, minutes] of actual.entries()) {
    const [before, dueBefore] = i === 0 ? [0, 0] : [actual[i - 1], expected[i - 1]];
    const lateMs = (minutes - (before ?? 0) - ((expected[i] ?? 0) - (dueBefore ?? 0))) * MINUTE_MS;
    expect(lateMs).toBeGreaterThan(-SECOND_MS);
    expect(lateMs).toBeLessThan(30 * SECOND_MS);
  }
};

describe("the published schedule, kept by Temporal", () => {
  test("a receiver that always fails gets 14 requests at the published times, then the delivery is exhausted", async () => {
    t.receiver.answer({ kind: "status", status: 500 });
    const started = await t.deliver();
    await expect(finished(started)).rejects.toThrow();

    expectOnSchedule(
      await minutesAfterStart(started),
      [0, 10, 40, 130, 320, 510, 700, 890, 1080, 1270, 1460, 1650, 1840, 2030],
    );
    expect(t.receiver.requests).toHaveLength(14);
    expect(t.receiver.requests.map((request) => request.headers["webhook-attempt"])).toEqual(
      Array.from({ length: 14 }, (_, i) => String(i + 1)),
    );
    expect(await row(started)).toMatchObject({
      state: "exhausted",
      attempts: 14,
      nextAttemptAt: null,
      lastStatus: 500,
    });
  });

  test("a receiver that accepts the fifth request gets five, and the delivery succeeds", async () => {
    t.receiver.answer((_request, n) => ({ kind: "status", status: n < 5 ? 503 : 200 }));
    const started = await t.deliver();
    await expect(finished(started)).resolves.toMatchObject({ state: "succeeded", attempts: 5 });

    expectOnSchedule(await minutesAfterStart(started), [0, 10, 40, 130, 320]);
    expect(await row(started)).toMatchObject({ state: "succeeded", attempts: 5, lastOutcome: "accepted" });
  });

  test("a longer Retry-After is honoured, in seconds or as a date, and the schedule continues after it", async () => {
    t.receiver.answer((request, n) => {
      if (n === 1) return { kind: "status", status: 503, headers: { "retry-after": "3600" } };
      const sentAt = Number(request.headers["webhook-timestamp"]) * 1000;
      const inTwoHours = new Date(sentAt + 120 * MINUTE_MS).toUTCString();
      if (n === 2) return { kind: "status", status: 429, headers: { "retry-after": inTwoHours } };
      return { kind: "status", status: n < 5 ? 500 : 200 };
    });
    const started = await t.deliver();
    await finished(started);
    const [first = 0, second = 0, third = 0, fourth = 0, fifth = 0] = await minutesAfterStart(started);
    expect([second - first, fourth - third, fifth - fourth].map(Math.round)).toEqual([60, 90, 190]);
    // An HTTP date has whole seconds, so this wait may be up to a second shorter.
    expect((third - second - 120) * MINUTE_MS).toBeGreaterThan(-2 * SECOND_MS);
    expect((third - second - 120) * MINUTE_MS).toBeLessThan(30 * SECOND_MS);
  });

  test("a shorter Retry-After changes nothing", async () => {
    t.receiver.answer((_request, n) =>
      n === 1
        ? { kind: "status", status: 503, headers: { "retry-after": "5" } }
        : { kind: "status", status: 200 },
    );
    const started = await t.deliver();
    await finished(started);
    expectOnSchedule(await minutesAfterStart(started), [0, 10]);
  });

  test("410 ends the delivery and its subscription at once", async () => {
    t.receiver.answer({ kind: "status", status: 410 });
    const started = await t.deliver();
    await expect(finished(started)).resolves.toMatchObject({ state: "cancelled", attempts: 1 });
    expect(t.receiver.requests).toHaveLength(1);
    expect(await row(started)).toMatchObject({ state: "cancelled", lastOutcome: "gone" });
    const subscription = await getSubscription(t.store, {
      accountId: t.accountId,
      id: started.subscriptionId,
    });
    expect(subscription?.state).toBe("ended");
  });

  test("a forbidden address blocks the delivery, with one attempt in the log and no request", async () => {
    const started = await t.deliver({ targetUrl: `http://10.0.0.1:${t.receiver.port}/hook` });
    await expect(finished(started)).rejects.toThrow();
    expect(await row(started)).toMatchObject({ state: "blocked", attempts: 1, lastOutcome: "blocked" });
    expect(
      await listAttempts(t.store, { accountId: t.accountId, deliveryId: started.deliveryId }),
    ).toMatchObject([
      {
        number: 1,
        outcome: "blocked",
        address: null,
        detail: "the target's address is not on the public internet",
      },
    ]);
    expect(t.logged("delivery.attempted")).toMatchObject([
      { accountId: t.accountId, blockedFor: "10.0.0.1", nextAttemptAt: null },
    ]);
  });

  test("each attempt starts at the next_attempt_at that was shown", async () => {
    t.receiver.answer((_request, n) =>
      n === 2
        ? { kind: "status", status: 503, headers: { "retry-after": "7200" } }
        : { kind: "status", status: n < 5 ? 500 : 200 },
    );
    const started = await t.deliver();
    await finished(started);
    const attempts =
      (await listAttempts(t.store, { accountId: t.accountId, deliveryId: started.deliveryId })) ?? [];
    const promised = t
      .logged("delivery.attempted")
      .map((fields) => Date.parse(String(fields["nextAttemptAt"])));
    const late = attempts.slice(1).map((attempt, i) => attempt.startedAt - (promised[i] ?? 0));
    expect(late).toHaveLength(4);
    for (const ms of late) {
      expect(ms).toBeGreaterThan(-SECOND_MS);
      expect(ms).toBeLessThan(30 * SECOND_MS);
    }
  });
});
