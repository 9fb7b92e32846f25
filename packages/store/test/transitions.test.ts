import { DELIVERY_EVENTS, DELIVERY_STATES, type DeliveryEvent, type DeliveryState } from "@posthaste/domain";
import { timesIn } from "@posthaste/testkit";
import { expect, test } from "vitest";
import { transact } from "../src/database/transact.ts";
import { ImpossibleTransition, lockDeliveries, type Move, move } from "../src/deliveries/move.ts";
import { TIME_COLUMNS, TRANSITIONS } from "../src/deliveries/transitions.ts";
import { type Bench, NOW, onEachDatabase } from "./fixture.ts";

/** The transition table, with a type that allows any event and state. */
const TABLE: Readonly<
  Record<
    DeliveryEvent,
    { to: Partial<Record<DeliveryState, DeliveryState>>; late: readonly DeliveryState[]; columns: object }
  >
> = TRANSITIONS;
const CASES = DELIVERY_EVENTS.flatMap((event) => DELIVERY_STATES.map((state) => ({ event, state })));
const hasEffect = (kind: "to" | "late" | "none") => (one: { event: DeliveryEvent; state: DeliveryState }) => {
  const { to, late } = TABLE[one.event];
  if (to[one.state] !== undefined) return kind === "to";
  return kind === (late.includes(one.state) ? "late" : "none");
};

let types = 0;

/** Creates a delivery in a state, with the time columns that the state requires. */
async function deliveryIn({ store, subscribe, ingest }: Bench, state: DeliveryState) {
  const eventType = `type_${++types}`;
  await subscribe({ eventTypes: [eventType] });
  const { eventId } = await ingest({ eventType });
  await store.db
    .updateTable("deliveries")
    .set({ state, ...timesIn(state, NOW) })
    .where("event_id", "=", eventId)
    .execute();
  const row = () =>
    store.db.selectFrom("deliveries").selectAll().where("event_id", "=", eventId).executeTakeFirstOrThrow();
  const { id } = await row();
  const changes = () =>
    store.db
      .selectFrom("delivery_changes")
      .select(["cause", "state", "attempts", "attempt_ms"])
      .where("delivery_id", "=", id)
      .where("cause", "!=", "ingested")
      .orderBy("id")
      .execute();
  const apply = (event: DeliveryEvent, set: Move["set"] = valuesFor(event)) =>
    transact(store, async (tx) => {
      const rows = await lockDeliveries(store, tx, [id]);
      return await move(
        tx,
        rows.map((locked) => ({ event, row: locked, set })),
        NOW + 1,
      );
    });
  return { row, changes, apply };
}

/** Returns a value for each column that the event sets; for an attempt, also its count. */
function valuesFor(event: DeliveryEvent): Move["set"] {
  const times = Object.entries(TABLE[event].columns)
    .filter(([column, effect]) => effect === "set" && column !== "in_flight_of")
    .map(([column]) => [column, NOW + 60_000]);
  return { ...Object.fromEntries(times), ...(event.startsWith("attempt_") ? { attempts: 1 } : {}) };
}

onEachDatabase("a delivery", (bench) => {
  test("follows the transition table", async () => {
    for (const { event, state } of CASES.filter(hasEffect("to"))) {
      const { row, changes, apply } = await deliveryIn(bench(), state);
      const moved = await apply(event);
      const after = await row();
      expect(after.state, `${state} at ${event}`).toBe(TABLE[event].to[state]);
      expect(moved).toHaveLength(1);
      expect(after).toMatchObject(moved[0] ?? {});
      const attempts = event.startsWith("attempt_") ? 1 : 0;
      const isChange = after.state !== state || attempts > 0;
      const change = { cause: event, state: after.state, attempts, attempt_ms: null };
      expect(await changes(), `${state} at ${event}`).toEqual(isChange ? [change] : []);
      if (after.state === "pending" || after.state === "started") continue;
      for (const column of TIME_COLUMNS) expect(after[column], `${column} at ${event}`).toBeNull();
    }
  });

  test("ignores late events", async () => {
    for (const { event, state } of CASES.filter(hasEffect("late"))) {
      const { row, changes, apply } = await deliveryIn(bench(), state);
      const before = await row();
      expect(await apply(event), `${state} at ${event}`).toEqual([]);
      expect(await row()).toEqual(before);
      expect(await changes()).toEqual([]);
    }
  });

  test("throws on every transition that is not in the table", async () => {
    const missing = CASES.filter(hasEffect("none"));
    expect(missing.length).toBeGreaterThan(20);
    for (const { event, state } of missing) {
      const { row, changes, apply } = await deliveryIn(bench(), state);
      const before = await row();
      await expect(apply(event), `${state} at ${event}`).rejects.toThrow(ImpossibleTransition);
      expect(await row()).toEqual(before);
      expect(await changes()).toEqual([]);
    }
  });

  test("throws on an event without a value for a time column that it sets", async () => {
    const { apply } = await deliveryIn(bench(), "started");
    await expect(apply("defer_reconcile", {})).rejects.toThrow("does not say its reconcile_after");
  });

  test("throws on a time column that its new state does not have", async () => {
    const { row, apply } = await deliveryIn(bench(), "pending");
    await expect(apply("claim", { ...valuesFor("claim"), reconcile_after: NOW })).rejects.toThrow(
      "is pending and has a reconcile_after",
    );
    expect(await row()).toMatchObject({ reconcile_after: null, lease_until: null });
  });
});
