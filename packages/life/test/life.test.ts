import { expect, test } from "vitest";
import { findingsFrom, runLife } from "../src/index.ts";

/** The short form of `npm run life`: after a month that fills the tables, two of steady state. */
test.each(["sqlite", "mysql"] as const)(
  "disk, memory, tables and reads stay the same from month to month, on %s",
  async (database) => {
    const measurements = await runLife({ database, months: 2, events: 10_000 });
    expect(findingsFrom(measurements)).toEqual([]);
    // The life was lived: what comes and goes is there, and so is what may grow.
    const { rows = {} } = measurements.at(-1) ?? {};
    for (const table of [
      "events",
      "event_keys",
      "attempts",
      "statistics",
      "idempotency_keys",
      "subscriptions",
      "erasures",
    ]) {
      expect(rows[table], table).toBeGreaterThan(10);
    }
  },
  400_000,
);
