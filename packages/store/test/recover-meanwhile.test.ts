import type { DeliveryId } from "@posthaste/domain";
import { recordAttempt } from "@posthaste/testkit";
import type { KyselyPlugin } from "kysely";
import { expect, test } from "vitest";
import { type Tx, transact } from "../src/database/transact.ts";
import { createRecovery } from "../src/index.ts";
import { recoverDeliveries } from "../src/long-running/recover-deliveries.ts";
import type { RecoveryRow } from "../src/long-running/recovery-step.ts";
import { attempt, type Bench, beginAttempts, NOW, onEachDatabase } from "./fixture.ts";

const LATER = NOW + 30_000;

/** Acts once this many queries were answered, as another transaction may between them. */
const after = (answers: number, act: () => Promise<unknown>): KyselyPlugin => {
  let left = answers;
  return {
    transformQuery: ({ node }) => node,
    async transformResult({ result }) {
      left -= 1;
      if (left === 0) await act();
      return result;
    },
  };
};
const exhaust = (tx: Tx, id: DeliveryId | undefined) =>
  tx
    .updateTable("deliveries")
    .set({ state: "exhausted", next_attempt_at: null, reconcile_after: null, turn_at: null, ended_at: NOW })
    .where("id", "=", id as DeliveryId)
    .execute();

/** Lets three deliveries wait for a retry, and begins a recovery of what waits and what is exhausted. */
async function begin({ store, accountId, subscribe, ingest }: Bench) {
  await subscribe();
  for (let i = 0; i < 3; i++) await ingest();
  const ids = (await beginAttempts(store)).sort();
  for (const deliveryId of ids) {
    const failed = attempt({ outcome: "status", status: 503 });
    const next = { state: "started" as const, nextAttemptAt: LATER + 60_000, endedReason: null };
    await recordAttempt(store, { deliveryId, attempt: failed, ...next, now: NOW });
  }
  const { id } = await createRecovery(store, {
    ...{ accountId, kind: "recover" as const, subscriptionId: null, sinceAt: 0, untilAt: LATER },
    ...{ isDryRun: false, ratePerSecond: 1_000, filter: { states: ["started", "exhausted"] }, now: LATER },
  });
  const query = store.db.selectFrom("recoveries").selectAll().where("id", "=", id);
  return { ids, row: (await query.executeTakeFirstOrThrow()) as RecoveryRow };
}

onEachDatabase("a delivery that is exhausted while a recovery looks for it", (bench) => {
  const BOUNDS = { limit: 2, makeMax: 2, now: LATER };
  const LISTS = 2;

  test("between the lists of what waits and of what is exhausted, is counted once and sent again", async () => {
    const { store } = bench();
    const { ids, row } = await begin(bench());
    const step = await transact(store, (tx) =>
      recoverDeliveries(store, tx.withPlugin(after(1, () => exhaust(tx, ids[1]))) as Tx, row, BOUNDS),
    );
    expect(step).toMatchObject({ examined: 2, leftOut: [], cursor: ids[1] });
    expect(step.waiting?.map(({ id }) => id)).toEqual([ids[0]]);
    expect(step.rows.map(({ resend_of }) => resend_of)).toEqual([ids[1]]);
  });

  test("after both lists, is not left out as due, and sent again in the next step", async () => {
    const { store } = bench();
    const { ids, row } = await begin(bench());
    await transact(store, async (tx) => {
      const hooked = tx.withPlugin(after(LISTS, () => exhaust(tx, ids[1]))) as Tx;
      const first = await recoverDeliveries(store, hooked, row, BOUNDS);
      expect(first).toMatchObject({ examined: 1, leftOut: [], cursor: ids[0], isHeldUp: true });
      const cursor_id = first.cursor ?? "";
      const next = await recoverDeliveries(store, tx, { ...row, cursor_id }, BOUNDS);
      expect(next).toMatchObject({ examined: 2, leftOut: [] });
      expect(next.rows.map(({ resend_of }) => resend_of)).toEqual([ids[1]]);
    });
  });
});
