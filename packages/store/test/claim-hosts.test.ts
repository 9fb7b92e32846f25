import { type AccountId, hostOf } from "@posthaste/domain";
import { expect, test } from "vitest";
import { type Claim, claimDeliveries, createAccount, createClaimRotation } from "../src/index.ts";
import { NOW, onEachDatabase } from "./fixture.ts";

const FULL = "https://full.example:8443/";

onEachDatabase("a claim, if an account has room at each host for so many", (bench) => {
  /** Claims, and counts what is under way at each account's host. */
  const createClaimer = (hostMax: number, over: Partial<Claim> = {}) => {
    const underWay = new Map<string, number>();
    const keyOf = (accountId: AccountId, url: string) => `${accountId} ${hostOf(url)}`;
    const rotation = createClaimRotation();
    return async () => {
      const claimed = await claimDeliveries(bench().store, {
        ...{ owner: "me", limit: 100, inFlightMax: 32, leaseMs: 30_000, now: NOW, rotation },
        roomOfHost: (accountId, url) => hostMax - (underWay.get(keyOf(accountId, url)) ?? 0),
        ...over,
      });
      for (const { accountId, targetUrl } of claimed) {
        const key = keyOf(accountId, targetUrl);
        underWay.set(key, (underWay.get(key) ?? 0) + 1);
      }
      return claimed;
    };
  };

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
    const claim = createClaimer(9, { limit: 1, roomOfHost: (id) => (isFull(id) ? 0 : 9) });
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
