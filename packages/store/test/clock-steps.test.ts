import { DAY_MS, type DeliveryId, MINUTE_MS } from "@posthaste/domain";
import { expect, test } from "vitest";
import {
  advanceRecovery,
  countChanges,
  createErasure,
  createRecovery,
  listChanges,
  listDeliveries,
  listUnstartedErasures,
  listUnstartedRecoveries,
  markErasureStarted,
  markRecoveryStarted,
  orderChanges,
  retain,
  type Store,
} from "../src/index.ts";
import { deliveriesOf, idsIn, NOW, onEachDatabase } from "./fixture.ts";

const YEAR_MS = 365 * DAY_MS;
const SPAN = { sinceAt: NOW - 3 * MINUTE_MS, untilAt: NOW + 2 * MINUTE_MS };

onEachDatabase("after the installation's clock was set back by ten minutes", (bench) => {
  test("a list, a recovery and a replay of a span of time find what was made in it", async () => {
    const { store, accountId } = bench();
    const { id: subscriptionId } = await bench().subscribe();
    await bench().ingest({ now: NOW + 10 * MINUTE_MS });
    const { eventId } = await bench().ingest({ now: NOW });
    const [delivery] = await deliveriesOf(store, eventId);
    await end(store, "exhausted", delivery?.id);

    const within = { createdFrom: SPAN.sinceAt, createdBefore: SPAN.untilAt };
    const listed = await listDeliveries(store, { accountId, ...within, limit: 10 });
    expect(listed.map(({ id }) => id)).toEqual([delivery?.id]);

    const now = NOW + 2 * MINUTE_MS;
    for (const kind of ["recover", "replay"] as const) {
      const span = { accountId, kind, subscriptionId, ...SPAN, isDryRun: true, ratePerSecond: 100, now };
      const { id } = await createRecovery(store, span);
      const done = await advanceRecovery(store, { id, limit: 500, now });
      expect(done, kind).toMatchObject({ state: "completed", examined: 1 });
    }
  });

  test("the deliveries of one call keep the order of its events", async () => {
    await bench().subscribe();
    await bench().ingest({ now: NOW + 10 * MINUTE_MS });
    const made: string[] = [];
    for (let i = 0; i < 20; i++) made.push((await bench().ingest({ now: NOW })).eventId);
    expect(made).toEqual([...made].sort());
  });
});

onEachDatabase("after the installation's clock was a year ahead for a moment", (bench) => {
  /** Ingests on one day, then in the future, and then on each of the next 60 days. */
  async function ingestAround() {
    const at = async (now: number) => {
      await bench().ingest({ now });
      await orderChanges(bench().store, now);
    };
    await bench().subscribe();
    await at(NOW);
    for (const later of [0, 1, 2]) await at(NOW + YEAR_MS + later);
    for (let day = 1; day <= 60; day++) await at(NOW + day * DAY_MS);
  }

  async function retainAll(kind: "changes" | "events", age: { before: number; now: number }) {
    let deleted = 0;
    for (let cursor: string | undefined = ""; cursor !== undefined; ) {
      const step = await retain(bench().store, { kind, ...age, cursor });
      deleted += step.deleted;
      cursor = step.cursor;
    }
    return deleted;
  }

  test("changes are deleted at their age again, with those of that moment", async () => {
    const { store, accountId } = bench();
    await ingestAround();
    await countAll(store);
    const age = { before: NOW + 57 * DAY_MS, now: NOW + 60 * DAY_MS };
    expect(await retainAll("changes", age)).toBe(60);
    const left = await store.db
      .selectFrom("delivery_changes")
      .select(["changed_at", "batch", "id"])
      .orderBy("batch")
      .execute();
    expect(left.map((row) => (row.changed_at - NOW) / DAY_MS)).toEqual([57, 58, 59, 60]);

    // A reader that has read everything deleted goes on with the first that is left.
    const oldest = await store.db
      .selectFrom("change_counter")
      .select("oldest_batch")
      .executeTakeFirstOrThrow();
    const after = { batch: oldest.oldest_batch, id: Number.MAX_SAFE_INTEGER };
    const { changes } = await listChanges(store, { accountId, after, limit: 10 });
    expect(changes).toHaveLength(4);
  });

  test("changes of that moment stay until a later one has reached its age", async () => {
    const { store } = bench();
    await ingestAround();
    await countAll(store);
    const age = { before: NOW + 1, now: NOW + DAY_MS };
    expect(await retainAll("changes", age)).toBe(1);
  });

  test("a recovery and an erasure whose workflows last worked in that moment are started again", async () => {
    const { store, accountId } = bench();
    const times = { ...SPAN, now: NOW };
    const scope = {
      accountId,
      kind: "recover",
      subscriptionId: null,
      isDryRun: true,
      ratePerSecond: 1,
    } as const;
    const recovery = await createRecovery(store, { ...scope, ...times });
    const erasure = await createErasure(store, { accountId, key: { pointer: "/a", value: "1" }, now: NOW });
    const future = NOW + YEAR_MS;
    await markRecoveryStarted(store, { id: recovery.id, now: future });
    await markErasureStarted(store, { id: erasure.id, now: future });
    const unstarted = async (now: number) => ({
      recoveries: idsIn(await listUnstartedRecoveries(store, { now, limit: 10 })),
      erasures: idsIn(await listUnstartedErasures(store, { now, limit: 10 })),
    });
    expect(await unstarted(future + MINUTE_MS)).toEqual({ recoveries: [], erasures: [] });
    expect(await unstarted(NOW)).toEqual({ recoveries: [recovery.id], erasures: [erasure.id] });
  });

  test("events are deleted at their age again", async () => {
    const { store } = bench();
    await ingestAround();
    await end(store, "succeeded");
    const now = NOW + 200 * DAY_MS;
    expect(await retainAll("events", { before: now, now })).toBe(61);
  });
});

async function end(store: Store, state: "exhausted" | "succeeded", id?: DeliveryId): Promise<void> {
  const query = store.db.updateTable("deliveries").set({ state, next_attempt_at: null, ended_at: NOW + 1 });
  await (id === undefined ? query : query.where("id", "=", id)).execute();
}

async function countAll(store: Store): Promise<void> {
  while ((await countChanges(store)) > 0);
}
