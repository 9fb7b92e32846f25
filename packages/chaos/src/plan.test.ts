import { describe, expect, test } from "vitest";
import { planFaults } from "./plan.ts";

describe.each(["sqlite", "mysql"] as const)("the faults of a run on %s", (database) => {
  const plan = planFaults({ seed: 7, seconds: 300, database });

  test("are the same for the same seed, and others for another", () => {
    expect(planFaults({ seed: 7, seconds: 300, database })).toEqual(plan);
    expect(planFaults({ seed: 8, seconds: 300, database })).not.toEqual(plan);
  });

  test("hit everything there is, in every way, with workers paused beyond their heartbeat", () => {
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

  test("come one at a time for each target, within the time", () => {
    for (const target of new Set(plan.map((fault) => fault.target))) {
      const own = plan.filter((fault) => fault.target === target);
      for (const [i, fault] of own.entries()) {
        expect(fault.at).toBeLessThan(300_000);
        const next = own[i + 1];
        if (next !== undefined) expect(next.at).toBeGreaterThanOrEqual(fault.at + fault.forMs);
      }
    }
  });

  test("are over before SQLite's writers give up", () => {
    if (database === "sqlite") for (const { forMs } of plan) expect(forMs).toBeLessThan(10_000);
  });
});
