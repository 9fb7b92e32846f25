import type { AccountId, DeliveryId } from "@posthaste/domain";
import type { KyselyPlugin } from "kysely";
import { expect, test } from "vitest";
import { type AttemptLedger, createAccount, createAttemptLedger, type Store } from "../src/index.ts";
import { attempt, type Bench, deliveriesOf, NOW, onEachDatabase } from "./fixture.ts";

/*
 * The attempts of all accounts are loaded and recorded in groups. What one account sends, and how large it
 * is, must not make others wait: what counts is the bytes of a statement, and whose turn it is.
 */

const LARGE_BYTES = 900_000;
const MIB = 1024 * 1024;

/** Subscribes `count` receivers, ingests an event for them and returns its deliveries. */
async function fanOut(bench: Bench, { count = 1, bytes = 10, accountId = bench.accountId } = {}) {
  for (let n = 0; n < count; n++) await bench.subscribe({ accountId });
  return await another(bench, { bytes, accountId });
}

/** Ingests another event for the account's subscriptions. */
async function another(
  bench: Bench,
  { bytes = 10, accountId = bench.accountId } = {},
): Promise<DeliveryId[]> {
  const { eventId } = await bench.ingest({ accountId, json: JSON.stringify({ x: "y".repeat(bytes) }) });
  return (await deliveriesOf(bench.store, eventId)).map(({ id }) => id);
}

async function anotherAccount({ store }: Bench): Promise<AccountId> {
  return (await createAccount(store, { name: "another", now: NOW })).id;
}

/** A ledger on a store that notes the bytes that each statement returns. */
function watched(store: Store, onRows: (rows: readonly unknown[]) => Promise<void> = async () => {}) {
  const bytes: number[] = [];
  const plugin: KyselyPlugin = {
    transformQuery: ({ node }) => node,
    async transformResult({ result }) {
      bytes.push(result.rows.flatMap(Object.values).reduce((sum, value) => sum + bytesIn(value), 0));
      await onRows(result.rows);
      return result;
    },
  };
  return { ledger: createAttemptLedger({ ...store, db: store.db.withPlugin(plugin) }), bytes };
}

const bytesIn = (value: unknown) => (Buffer.isBuffer(value) ? value.byteLength : 0);

/** Returns the names of the calls in the order in which they end. */
async function inOrder(
  calls: readonly (readonly [name: string, call: Promise<unknown>])[],
): Promise<string[]> {
  const names: string[] = [];
  await Promise.all(calls.map(([name, call]) => call.then(() => names.push(name))));
  return names;
}

const lengthsOf = async (ledger: AttemptLedger, ids: readonly DeliveryId[]) =>
  (await Promise.all(ids.map((id) => ledger.load(id, NOW)))).map((context) => context?.body.length);

onEachDatabase("a group of loads", (bench) => {
  test("needs no statement for small snapshots beside those for the rows", async () => {
    const ids = await fanOut(bench(), { count: 5, bytes: 10_000 });
    const { ledger, bytes } = watched(bench().store);
    expect(await lengthsOf(ledger, ids)).toEqual(ids.map(() => 10_000 + '[{"x":""}]'.length));
    // The deliveries, their subscriptions, the signing keys.
    expect(bytes).toHaveLength(3);
  });

  test("reads a large snapshot once for all deliveries, and statements stay below a mebibyte", async () => {
    const first = await fanOut(bench(), { count: 5, bytes: LARGE_BYTES });
    const second = await another(bench(), { bytes: LARGE_BYTES });
    const { ledger, bytes } = watched(bench().store);
    const ids = [...first, ...second];
    expect(await lengthsOf(ledger, ids)).toEqual(ids.map(() => LARGE_BYTES + '[{"x":""}]'.length));
    expect(Math.max(...bytes)).toBeLessThan(MIB);
    expect(bytes.filter((one) => one > LARGE_BYTES)).toHaveLength(2);
  });

  test("loads an account's next although two hundred large ones of another wait", async () => {
    const others = await fanOut(bench(), { count: 200, bytes: LARGE_BYTES });
    const accountId = await anotherAccount(bench());
    const [id] = (await fanOut(bench(), { accountId })) as [DeliveryId];
    const { ledger } = watched(bench().store);
    const names = await inOrder([
      ...others.map((other) => ["other", ledger.load(other, NOW, bench().accountId)] as const),
      ["own", ledger.load(id, NOW, accountId)],
    ]);
    expect(names.indexOf("own")).toBeLessThan(50);
  });

  test("does not send what was erased after the row was read", async () => {
    const { store } = bench();
    const [id] = (await fanOut(bench(), { bytes: LARGE_BYTES })) as [DeliveryId];
    let isErased = false;
    const { ledger } = watched(store, async () => {
      if (isErased) return;
      isErased = true;
      await store.db.deleteFrom("events").execute();
    });
    expect(await ledger.load(id, NOW)).toBeUndefined();
    expect(isErased).toBe(true);
  });
});

onEachDatabase("a group of records", (bench) => {
  test("records an account's attempt next although two hundred of another wait", async () => {
    const { store, accountId: other } = bench();
    const others = await fanOut(bench(), { count: 200 });
    const accountId = await anotherAccount(bench());
    const [id] = (await fanOut(bench(), { accountId })) as [DeliveryId];
    const ledger = createAttemptLedger(store);
    const record = async (deliveryId: DeliveryId, of: AccountId) =>
      await ledger.record({
        deliveryId,
        accountId: of,
        attempt: attempt({ outcome: "accepted", status: 200 }),
        state: "succeeded",
        nextAttemptAt: null,
        endedReason: null,
        wasHealthy: true,
        now: NOW,
      });
    const names = await inOrder([
      ...others.map((one) => ["other", record(one, other)] as const),
      ["own", record(id, accountId)],
    ]);
    expect(names.indexOf("own")).toBeLessThan(100);
  });
});
