import { describe, expect, test } from "vitest";
import { planFaults, planTraffic, TRAFFIC_KINDS } from "./plan.ts";

describe.each(["sqlite", "mysql"] as const)("the faults of a run on %s", (database) => {
  const plan = planFaults({ seed: 7, seconds: 300, database, hasDisks: true });

  test("are the same for the same seed, and different for another seed", () => {
    expect(planFaults({ seed: 7, seconds: 300, database, hasDisks: true })).toEqual(plan);
    expect(planFaults({ seed: 8, seconds: 300, database, hasDisks: true })).not.toEqual(plan);
  });

  test("hit every target in every way, and pause workers for longer than their leases", () => {
    const kinds = new Set(plan.map(({ kind, target }) => `${kind} ${target}`));
    for (const target of ["api 1", "api 2", "worker 1", "worker 2", "temporal"]) {
      expect(kinds).toContain(`kill ${target}`);
      expect(kinds).toContain(`pause ${target}`);
    }
    for (const kind of database === "mysql" ? ["kill", "pause"] : ["lock"])
      expect(kinds).toContain(`${kind} database`);
    const zombies = plan.filter(
      ({ kind, target, forMs }) => kind === "pause" && target.startsWith("worker") && forMs > 5_000,
    );
    expect(zombies.length).toBeGreaterThan(0);
    // So long would outlast the patience of SQLite's writers.
    const forRetries = zombies.filter(({ forMs }) => forMs > 30_000);
    expect(forRetries.length > 0).toBe(database === "mysql");
  });

  test("include every special fault, the faults of disks only if there are some", () => {
    const kinds = (hasDisks: boolean) =>
      new Set(planFaults({ seed: 7, seconds: 20, database, hasDisks }).map((f) => `${f.kind} ${f.target}`));
    const special = database === "mysql" ? ["silence database"] : ["fill database disk", "refuse flush"];
    for (const kind of ["away temporal", "fill log disk", "stall log pipe", ...special]) {
      expect(kinds(true)).toContain(kind);
    }
    expect([...kinds(false)].filter((kind) => kind.endsWith("disk"))).toEqual([]);
  });

  test("leave room for every kind of traffic, the same for the same seed", () => {
    const acts = planTraffic({ seed: 7, seconds: 20 });
    expect(planTraffic({ seed: 7, seconds: 20 })).toEqual(acts);
    expect(new Set(acts.map(({ kind }) => kind))).toEqual(new Set(TRAFFIC_KINDS));
  });

  test("start within the run and never overlap for one target", () => {
    for (const target of new Set(plan.map((fault) => fault.target))) {
      const ofTarget = plan.filter((fault) => fault.target === target);
      for (const [i, fault] of ofTarget.entries()) {
        expect(fault.at).toBeLessThan(300_000);
        const next = ofTarget[i + 1];
        if (next !== undefined) expect(next.at).toBeGreaterThanOrEqual(fault.at + fault.forMs);
      }
    }
  });

  test("end before SQLite's writers give up", () => {
    if (database === "sqlite") {
      const ofFile = plan.filter(({ kind }) => kind !== "away");
      for (const { forMs } of ofFile) expect(forMs).toBeLessThan(10_000);
    }
  });
});
