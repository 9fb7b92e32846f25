import type { SubscriptionId } from "@posthaste/domain";
import { expect, test } from "vitest";
import {
  createAccount,
  createSubscription,
  endSubscription,
  getSubscription,
  noteHostProven,
  updateSubscription,
} from "../src/index.ts";
import { type Bench, NOW, onEachDatabase } from "./fixture.ts";

const MAX = 3;

let urls = 0;
const subscribe = async ({ store, accountId }: Bench, base = "https://host.example", account = accountId) =>
  await createSubscription(store, {
    ...{ accountId: account, targetUrl: `${base}/${++urls}`, eventTypes: ["*"], unprovenHostMax: MAX },
    ...{ credential: null, acceptance: "OK_ONLY", timeoutMs: null, now: NOW },
  });
const fill = async (bench: Bench) => {
  const filled = [];
  for (let n = 0; n < MAX; n++) filled.push(await subscribe(bench));
  return filled;
};
/** Notes that the host answered a delivery to the URL that the subscription has. */
const prove = async ({ store }: Bench, id: SubscriptionId) => {
  const row = await store.db
    .selectFrom("subscriptions")
    .select(["id", "target_url as targetUrl", "target_hash as targetHash"])
    .where("id", "=", id)
    .executeTakeFirstOrThrow();
  await noteHostProven(store, row);
};
const FULL = { code: "too_many", message: expect.stringContaining("3 subscriptions on host.example") };

onEachDatabase("a host that has answered no delivery of an account with 2xx", (bench) => {
  test("gets few of its subscriptions, however they spell it", async () => {
    await fill(bench());
    for (const base of [
      "https://host.example",
      "http://host.example",
      "https://host.example:8443",
      "https://host.example.",
    ]) {
      await expect(subscribe(bench(), base)).rejects.toMatchObject(FULL);
    }
    await subscribe(bench(), "https://other.example");
    await subscribe(bench(), "https://sub.host.example");
  });

  test("gets few of its subscriptions if it is an address, however they spell it", async () => {
    for (const base of ["http://93.184.215.14", "http://[::ffff:93.184.215.14]", "http://1572394766"])
      await subscribe(bench(), base);
    const full = { ...FULL, message: expect.stringContaining("3 subscriptions on 93.184.215.14") };
    for (const base of ["http://93.184.215.14:8080", "http://[::ffff:5db8:d70e]"])
      await expect(subscribe(bench(), base)).rejects.toMatchObject(full);
    await subscribe(bench(), "http://93.184.215.15");
  });

  test("gets any number once it has, and after that subscription has ended", async () => {
    const { store, accountId } = bench();
    const [first] = await fill(bench());
    await prove(bench(), first?.id ?? (0 as SubscriptionId));
    await fill(bench());
    await endSubscription(store, { accountId, id: first?.id ?? (0 as SubscriptionId), reason: "", now: NOW });
    await fill(bench());
  });

  test("is not proven by the deliveries of another account", async () => {
    const { store } = bench();
    await fill(bench());
    const { id: other } = await createAccount(store, { name: "other", now: NOW });
    const { id } = await subscribe(bench(), "https://host.example", other);
    await prove(bench(), id);
    await expect(subscribe(bench())).rejects.toMatchObject(FULL);
  });

  test("gets another subscription after one has ended", async () => {
    const { store, accountId } = bench();
    const [first] = await fill(bench());
    await endSubscription(store, { accountId, id: first?.id ?? (0 as SubscriptionId), reason: "", now: NOW });
    await subscribe(bench());
    await expect(subscribe(bench())).rejects.toMatchObject(FULL);
  });

  test("gets the last one by one of two calls", async () => {
    await subscribe(bench());
    await subscribe(bench());
    const calls = await Promise.allSettled([subscribe(bench()), subscribe(bench())]);
    expect(calls.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  });

  test("gets none by a change of its URL, but lets its own change", async () => {
    const { store, accountId } = bench();
    const [first] = await fill(bench());
    const { id } = await subscribe(bench(), "https://other.example");
    const change = { accountId, now: NOW, unprovenHostMax: MAX };
    const moved = updateSubscription(store, { ...change, id, targetUrl: "https://host.example/moved" });
    await expect(moved).rejects.toMatchObject(FULL);
    expect((await getSubscription(store, { accountId, id }))?.targetUrl).toContain("other.example");
    const own = first?.id ?? (0 as SubscriptionId);
    await updateSubscription(store, { ...change, id: own, targetUrl: "https://host.example/changed" });
    await updateSubscription(store, { ...change, id: own, targetUrl: "https://away.example/" });
    await updateSubscription(store, { ...change, id, targetUrl: "https://host.example/moved" });
  });

  test("is not proven by an answer of the URL before", async () => {
    const { store, accountId } = bench();
    const [first] = await fill(bench());
    const id = first?.id ?? (0 as SubscriptionId);
    const before = await store.db
      .selectFrom("subscriptions")
      .select("target_hash as targetHash")
      .where("id", "=", id)
      .executeTakeFirstOrThrow();
    await updateSubscription(store, { accountId, id, now: NOW, targetUrl: "https://host.example/changed" });
    await noteHostProven(store, { id, targetUrl: "https://host.example/", ...before });
    await expect(subscribe(bench())).rejects.toMatchObject(FULL);
  });

  test("is proven by a subscription from before hosts were noted", async () => {
    const { store } = bench();
    const [first] = await fill(bench());
    const id = first?.id ?? (0 as SubscriptionId);
    await store.db.updateTable("subscriptions").set({ host_hash: null }).where("id", "=", id).execute();
    await subscribe(bench());
    await expect(subscribe(bench())).rejects.toMatchObject(FULL);
    await prove(bench(), id);
    await subscribe(bench());
  });
});
