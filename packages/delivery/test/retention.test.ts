import { createAccount, createSubscription, ingestEvents } from "@posthaste/store";
import { type DeliverySetup, setupDelivery } from "@posthaste/testkit/delivery";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { scheduleRetention } from "../src/client/index.ts";

const PATIENCE = { timeout: 20_000, interval: 50 };
const YEAR_MS = 365 * 86_400_000;

let t: DeliverySetup;
beforeEach(async () => {
  t = await setupDelivery("dev-server");
  await t.startWorker();
});
afterEach(() => t.dispose());

/** Ingests events of the given age, without subscribers. */
const events = async (count: number, ageMs: number) => {
  const now = Date.now() - ageMs;
  const { id: accountId } = await createAccount(t.store, { name: "old", now });
  await ingestEvents(t.store, {
    accountId,
    now,
    deliveriesMax: 1,
    events: Array.from({ length: count }, (_, i) => ({
      eventType: "invoice_sent",
      data: Buffer.from("{}"),
      idempotencyKey: `${ageMs}-${i}`,
    })),
  });
};
const left = async () =>
  Number(
    (
      await t.store.db
        .selectFrom("events")
        .select((eb) => eb.fn.countAll().as("n"))
        .executeTakeFirstOrThrow()
    ).n,
  );

test("Temporal's schedule deletes old rows and reports their number; several workers create it once", async () => {
  await createSubscription(t.store, {
    accountId: t.accountId,
    targetUrl: t.receiver.url,
    eventTypes: ["contact_created"],
    credential: null,
    acceptance: "OK_ONLY",
    timeoutMs: null,
    now: Date.now(),
  });
  await events(500, YEAR_MS);
  await events(3, 0);
  const { client } = t.env;
  await Promise.all([scheduleRetention(t.temporal, 3_600_000), scheduleRetention(t.temporal, 3_600_000)]);
  await scheduleRetention(t.temporal, 7_200_000);
  const handle = client.schedule.getHandle(t.temporal.names.retentionSchedule);
  const { spec, policies } = await handle.describe();
  expect(spec.intervals?.map(({ every }) => every)).toEqual([7_200_000]);
  expect(policies.overlap).toBe("SKIP");
  await handle.trigger();
  await vi.waitFor(async () => expect(await left()).toBe(3), PATIENCE);
  await vi.waitFor(async () => {
    const [run] = (await handle.describe()).info.recentActions;
    if (run === undefined) throw new Error("no run yet");
    const { workflow } = run.action;
    const result = await client.workflow
      .getHandle(workflow.workflowId, workflow.firstExecutionRunId)
      .result();
    expect(result).toBe(
      "deleted by retention: 500 idempotency_keys, 0 attempts, 500 events, 0 changes, 0 removed_event_types, 0 audit_entries",
    );
  }, PATIENCE);
  expect(t.logged("retention.advanced")).toEqual([
    { kind: "idempotency_keys", deleted: 500 },
    { kind: "events", deleted: 500 },
  ]);
});

test("a missing schedule is created again; an existing one keeps its operator's changes", async () => {
  const { client } = t.env;
  const handle = client.schedule.getHandle(t.temporal.names.retentionSchedule);
  await scheduleRetention(t.temporal, 3_600_000);
  await scheduleRetention(t.temporal, 7_200_000, { ifThere: "leave" });
  expect((await handle.describe()).spec.intervals).toMatchObject([{ every: 3_600_000 }]);
  await handle.pause("keep everything for now");
  await scheduleRetention(t.temporal, 3_600_000, { ifThere: "leave" });
  expect((await handle.describe()).state.paused).toBe(true);

  await handle.delete();
  await vi.waitFor(async () => {
    await scheduleRetention(t.temporal, 7_200_000, { ifThere: "leave" });
    expect((await handle.describe()).spec.intervals).toMatchObject([{ every: 7_200_000 }]);
  }, PATIENCE);
});
