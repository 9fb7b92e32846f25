import { DELIVERY_EVENTS, DELIVERY_STATES, type DeliveryEvent, type DeliveryState } from "@posthaste/domain";
import { timesIn } from "@posthaste/testkit";
import { expect, test } from "vitest";
import { transact } from "../src/database/transact.ts";
import { ImpossibleTransition, lockDeliveries, type Move, move } from "../src/deliveries/move.ts";
import { TIME_COLUMNS, TRANSITIONS } from "../src/deliveries/transitions.ts";
import { type Bench, NOW, onEachDatabase } from "./fixture.ts";

/** The table, as the checks read it. */
const TABLE: Readonly<
  Record<
    DeliveryEvent,
    { to: Partial<Record<DeliveryState, DeliveryState>>; late: readonly DeliveryState[]; columns: object }
  >
> = TRANSITIONS;
const CASES = DELIVERY_EVENTS.flatMap((event) => DELIVERY_STATES.map((state) => ({ event, state })));
const isIn = (kind: "to" | "late" | "none") => (one: { event: DeliveryEvent; state: DeliveryState }) => {
  const { to, late } = TABLE[one.event];
  if (to[one.state] !== undefined) return kind === "to";
  return kind === (late.includes(one.state) ? "late" : "none");
};

let types = 0;

/** A delivery in a state, with the time columns that the state holds. */
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
  const happens = (event: DeliveryEvent, set: Move["set"] = valuesFor(event)) =>
    transact(store, async (tx) => {
      const rows = await lockDeliveries(store, tx, [id]);
      return await move(
        tx,
        rows.map((locked) => ({ event, row: locked, set })),
        NOW + 1,
      );
    });
  return { row, changes, happens };
}

/** A value for each column that the event sets. An attempt is counted, too. */
function valuesFor(event: DeliveryEvent): Move["set"] {
  const times = Object.entries(TABLE[event].columns)
    .filter(([column, effect]) => effect === "set" && column !== "in_flight_of")
    .map(([column]) => [column, NOW + 60_000]);
  return { ...Object.fromEntries(times), ...(event.startsWith("attempt_") ? { attempts: 1 } : {}) };
}

onEachDatabase("a delivery", (bench) => {
  test("follows the table", async () => {
    for (const { event, state } of CASES.filter(isIn("to"))) {
      const { row, changes, happens } = await deliveryIn(bench(), state);
      const moved = await happens(event);
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

  test("ignores what comes late", async () => {
    for (const { event, state } of CASES.filter(isIn("late"))) {
      const { row, changes, happens } = await deliveryIn(bench(), state);
      const before = await row();
      expect(await happens(event), `${state} at ${event}`).toEqual([]);
      expect(await row()).toEqual(before);
      expect(await changes()).toEqual([]);
    }
  });

  test("fails loudly at every transition that is not in the table", async () => {
    const missing = CASES.filter(isIn("none"));
    expect(missing.length).toBeGreaterThan(20);
    for (const { event, state } of missing) {
      const { row, changes, happens } = await deliveryIn(bench(), state);
      const before = await row();
      await expect(happens(event), `${state} at ${event}`).rejects.toThrow(ImpossibleTransition);
      expect(await row()).toEqual(before);
      expect(await changes()).toEqual([]);
    }
  });

  test("fails loudly at an event that does not say a time which it sets", async () => {
    const { happens } = await deliveryIn(bench(), "started");
    await expect(happens("defer_reconcile", {})).rejects.toThrow("does not say its reconcile_after");
  });

  test("fails loudly where it would hold a time that its state does not have", async () => {
    const { row, happens } = await deliveryIn(bench(), "pending");
    await expect(happens("claim", { ...valuesFor("claim"), reconcile_after: NOW })).rejects.toThrow(
      "is pending and has a reconcile_after",
    );
    expect(await row()).toMatchObject({ reconcile_after: null, lease_until: null });
  });
});
