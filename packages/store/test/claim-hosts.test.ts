import { type AccountId, type DeliveryId, hostOf } from "@posthaste/domain";
import { expect, test } from "vitest";
import {
  type Claim,
  claimDeliveries,
  createAccount,
  createClaimRotation,
  type PlacesAtHosts,
} from "../src/index.ts";
import { NOW, onEachDatabase } from "./fixture.ts";

const FULL = "https://full.example:8443/";

onEachDatabase("a claim, if an account has room at each host for so many", (bench) => {
  /** Places of which each account has so many at each host. */
  const createPlaces = (maxOf: (id: AccountId) => number): PlacesAtHosts => {
    const places = new Map<DeliveryId, string>();
    return {
      has: (id) => places.has(id),
      tryToReserve(id, accountId, url) {
        const key = `${accountId} ${hostOf(url)}`;
        const isTaken = [...places.values()].filter((one) => one === key).length < maxOf(accountId);
        if (isTaken) places.set(id, key);
        return isTaken;
      },
      end: (id) => void places.delete(id),
    };
  };
  const createClaimer = (hostMax: number, over: Partial<Claim> = {}) => {
    const rotation = createClaimRotation();
    const hosts = createPlaces(() => hostMax);
    const claim = {
      owner: "me",
      limit: 100,
      inFlightMax: 32,
      leaseMs: 30_000,
      now: () => NOW,
      rotation,
      hosts,
    };
    return async (more: Partial<Claim> = {}) =>
      await claimDeliveries(bench().store, { ...claim, ...over, ...more });
  };

  test("takes no more though claims of healthy and failing subscriptions run at once", async () => {
    const { store, subscribe, ingest } = bench();
    for (let n = 0; n < 4; n++) {
      const { id } = await subscribe({ targetUrl: `${FULL}${n}` });
      if (n < 2) continue;
      await store.db.updateTable("subscriptions").set({ failing_since: NOW }).where("id", "=", id).execute();
    }
    for (let n = 0; n < 4; n++) await ingest();
    const claim = createClaimer(4);
    const kinds = [{ isFailing: false }, { isFailing: true }];
    const claimed = await Promise.all(
      kinds.map((kind) => claim({ ...kind, rotation: createClaimRotation() })),
    );
    expect(claimed.flat()).toHaveLength(4);
  });

  test("gives the places back of what it does not get", async () => {
    const { subscribe, ingest } = bench();
    await subscribe({ targetUrl: `${FULL}x` });
    for (let n = 0; n < 4; n++) await ingest();
    const claim = createClaimer(4);
    for (let n = 0; n < 4; n++) expect(await claim({ limit: 1 })).toHaveLength(1);
  });

  test("takes no more of all its subscriptions there, and all of those on other hosts", async () => {
    const { subscribe, ingest } = bench();
    for (let n = 0; n < 4; n++) await subscribe({ targetUrl: `${FULL}${n}` });
    const { id } = await subscribe({ targetUrl: "https://other.example/" });
    for (let n = 0; n < 3; n++) await ingest();
    const claim = createClaimer(5);
    const first = await claim();
    expect(first.filter(({ targetUrl }) => targetUrl.startsWith(FULL))).toHaveLength(5);
    expect(first.filter(({ subscriptionId }) => subscriptionId === id)).toHaveLength(3);
    expect(await claim()).toEqual([]);
  });

  test("takes as many of another account at the same host", async () => {
    const { store, subscribe, ingest } = bench();
    const { id: other } = await createAccount(store, { name: "other", now: NOW });
    for (const accountId of [bench().accountId, other]) {
      await subscribe({ accountId, targetUrl: `${FULL}x` });
      for (let n = 0; n < 4; n++) await ingest({ accountId });
    }
    const claimed = await createClaimer(2)();
    expect(claimed.map(({ accountId }) => accountId).sort()).toEqual(
      [bench().accountId, bench().accountId, other, other].sort(),
    );
  });

  test("passes on to the next account, though the host of one that comes first is full", async () => {
    const { store, subscribe, ingest } = bench();
    const others: AccountId[] = [];
    for (const name of ["second", "third"]) others.push((await createAccount(store, { name, now: NOW })).id);
    for (const accountId of [bench().accountId, ...others]) {
      await subscribe({ accountId, targetUrl: `https://host-of-${accountId}.example/` });
      for (let n = 0; n < 4; n++) await ingest({ accountId });
    }
    const isFull = (id: AccountId) => id === bench().accountId;
    const claim = createClaimer(9, { limit: 1, hosts: createPlaces((id) => (isFull(id) ? 0 : 9)) });
    const got: AccountId[] = [];
    for (let n = 0; n < 4; n++) got.push(...(await claim()).map(({ accountId }) => accountId));
    expect(got).toEqual([...others, ...others]);
  });

  test("gives the places of a host to its subscriptions in turn", async () => {
    const { subscribe, ingest } = bench();
    const ids = [];
    for (let n = 0; n < 3; n++) ids.push((await subscribe({ targetUrl: `${FULL}${n}` })).id);
    for (let n = 0; n < 3; n++) await ingest();
    const rotation = createClaimRotation();
    const got = [];
    for (let n = 0; n < 6; n++) {
      // Nothing ends in between every second time.
      const claim = createClaimer(n % 2 === 0 ? 1 : 0, { rotation });
      got.push(...(await claim()).map(({ subscriptionId }) => subscriptionId));
    }
    expect(got).toEqual(ids);
  });
});
