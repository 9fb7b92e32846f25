import type { AccountId } from "@posthaste/domain";
import { MINUTE_MS } from "@posthaste/domain";
import { silentLog } from "@posthaste/runtime";
import { createAccount, createErasure, createRecovery } from "@posthaste/store";
import { createTestStore, poison, type TestStore } from "@posthaste/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Dependency } from "../src/loops/outage-log.ts";
import { createWorkflowsRound } from "../src/loops/start-workflows.ts";

describe.each(["sqlite", "mysql"] as const)("the starter of workflows, on %s", (backend) => {
  let bench: TestStore;
  let accountId: AccountId;
  let now: number;
  let bad: Set<string>;
  let away: readonly Dependency[];
  let started: string[];
  let setAside: string[];
  beforeEach(async () => {
    bench = await createTestStore(backend);
    now = Date.now();
    accountId = (await createAccount(bench.store, { name: "test", now })).id;
    bad = new Set();
    away = [];
    started = [];
    setAside = [];
  });
  afterEach(() => bench.dispose());

  // By default, each is of an account of its own, which may have only so many.
  const recovery = async (of?: AccountId) =>
    (
      await createRecovery(bench.store, {
        accountId: of ?? (await createAccount(bench.store, { name: "recovers", now })).id,
        kind: "recover",
        subscriptionId: null,
        sinceAt: now - MINUTE_MS,
        untilAt: now,
        isDryRun: true,
        ratePerSecond: 1,
        now,
      })
    ).id;
  // Of some events only: nothing could be requested for an account that is erased.
  const key = { pointer: "/ContactID", value: "902" };
  const erasure = async () => (await createErasure(bench.store, { accountId, key, now })).id;
  const start = async (name: string) => {
    if (bad.has(name)) throw new Error(`${name} is refused`);
    started.push(name);
  };
  const starter = () =>
    createWorkflowsRound({
      store: bench.store,
      log: silentLog,
      now: () => now,
      startRecovery: ({ id }) => start(`recovery ${id}`),
      startErasure: ({ id }) => start(`erasure ${id}`),
      whatIsAway: async () => away,
      onSetAside: (work) => setAside.push(work),
    });

  test("starts all others, however many workflows of older recoveries and erasures are refused", async () => {
    for (let n = 0; n < 12; n++) {
      bad.add(`recovery ${await recovery()}`);
      bad.add(`erasure ${await erasure()}`);
    }
    const good = [`recovery ${await recovery(accountId)}`, `erasure ${await erasure()}`];
    const round = starter();
    while ((await round()) === "more");
    expect(started).toEqual(good);
    expect(setAside.filter((work) => work === "recovery")).toHaveLength(12);
    expect(setAside.filter((work) => work === "erasure")).toHaveLength(12);
  });

  test("starts each account's in the first round, however many another account has", async () => {
    for (let n = 0; n < 10; n++) await recovery(accountId);
    for (let n = 0; n < 30; n++) await erasure();
    accountId = (await createAccount(bench.store, { name: "few", now })).id;
    const few = [`recovery ${await recovery()}`, `erasure ${await erasure()}`];
    const round = starter();
    expect(await round()).toBe("more");
    expect(started).toEqual(expect.arrayContaining(few));
    while ((await round()) === "more");
    expect(new Set(started).size).toBe(42);
    expect(started).toHaveLength(42);
  });

  test("tries one that was refused again, after a second and then after growing pauses", async () => {
    const name = `recovery ${await recovery()}`;
    bad.add(name);
    const round = starter();
    const failuresAfter = async (ms: number) => {
      now += ms;
      await round();
      return setAside.length;
    };
    expect(await failuresAfter(0)).toBe(1);
    expect(await failuresAfter(999)).toBe(1);
    expect(await failuresAfter(1)).toBe(2);
    expect(await failuresAfter(1_999)).toBe(2);
    bad.clear();
    expect(await failuresAfter(1)).toBe(2);
    expect(started).toEqual([name]);
  });

  test("starts the others if the database refuses to note a start", async () => {
    const first = await recovery();
    const second = await recovery();
    await poison(bench.store, { table: "recoveries", on: "update", condition: `new.id = ${first}` });
    await starter()();
    expect(started).toEqual([`recovery ${first}`, `recovery ${second}`]);
    expect(setAside).toEqual(["recovery"]);
  });

  test("sets nothing aside while Temporal is unavailable: the round fails", async () => {
    const name = `recovery ${await recovery()}`;
    bad.add(name);
    away = ["temporal"];
    const round = starter();
    await expect(round()).rejects.toThrow(`${name} is refused`);
    expect(setAside).toEqual([]);
    bad.clear();
    await round();
    expect(started).toEqual([name]);
  });
});
