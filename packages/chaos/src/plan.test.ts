import { describe, expect, test } from "vitest";
import { type Fault, planFaults, planTraffic, TRAFFIC_KINDS } from "./plan.ts";

const SECONDS = 450;

describe.each(["sqlite", "mysql"] as const)("the faults of a run on %s", (database) => {
  const plan = planFaults({ seed: 7, seconds: SECONDS, database, hasDisks: true });

  test("are the same for the same seed, and different for another seed", () => {
    expect(planFaults({ seed: 7, seconds: SECONDS, database, hasDisks: true })).toEqual(plan);
    expect(planFaults({ seed: 8, seconds: SECONDS, database, hasDisks: true })).not.toEqual(plan);
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

  const outages = (seconds: number, seed: number) =>
    planFaults({ seed, seconds, database, hasDisks: true }).filter(({ kind }) => kind === "away");
  const isLong = ({ forMs }: Fault) => forMs >= 120_000;

  test.each([300, 450, 3_600])(
    "have Temporal away for minutes once in a run of %d s, and shortly",
    (seconds) => {
      for (let seed = 1; seed <= 20; seed++) {
        const all = outages(seconds, seed);
        const long = all.filter(isLong);
        expect(long).toHaveLength(1);
        for (const { at, forMs } of long) {
          expect(forMs).toBeLessThanOrEqual(180_000);
          expect(at).toBeGreaterThanOrEqual(seconds * 100);
          expect(at + forMs).toBeLessThanOrEqual(seconds * 900);
        }
        expect(all.length).toBeGreaterThan(1);
      }
    },
  );

  test("have Temporal away for seconds only in a run that is too short for minutes", () => {
    for (let seed = 1; seed <= 20; seed++) expect(outages(299, seed).filter(isLong)).toEqual([]);
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
        expect(fault.at).toBeLessThan(SECONDS * 1_000);
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
