import { describe, expect, test } from "vitest";
import { planFaults } from "./plan.ts";

describe.each(["sqlite", "mysql"] as const)("the faults of a run on %s", (database) => {
  const plan = planFaults({ seed: 7, seconds: 300, database });

  test("are the same for the same seed, and different for another seed", () => {
    expect(planFaults({ seed: 7, seconds: 300, database })).toEqual(plan);
    expect(planFaults({ seed: 8, seconds: 300, database })).not.toEqual(plan);
  });

  test("hit every target in every way, and pause workers for longer than their heartbeat timeout", () => {
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
    if (database === "sqlite") for (const { forMs } of plan) expect(forMs).toBeLessThan(10_000);
  });
});
