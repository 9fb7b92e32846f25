import { closeStore, createAttemptLedger, openStore, parseSealingKeys } from "@posthaste/store";
import { TEST_SECRET_KEYS } from "@posthaste/testkit";
import { deliverAll } from "./deliver.ts";
import { beginLife } from "./life.ts";
import { type Measurement, measure } from "./measurement.ts";
import { liveRound, publish } from "./round.ts";
import { MONTH_MS, ROUNDS_PER_MONTH } from "./scale.ts";
import { tidy, upkeep } from "./upkeep.ts";

export type LifeOptions = {
  /** A migrated database without accounts. */
  readonly url: string;
  /** Months of steady state. One more, before them, fills the tables. */
  readonly months: number;
  /** Events in the tables in the steady state. */
  readonly events: number;
};

/**
 * Lives an installation's months, and measures at the end of each month of steady state.
 *
 * It begins today: the ids of a process never go back in time.
 */
export async function liveMonths(
  { url, months, events }: LifeOptions,
  note: (line: string) => void,
): Promise<Measurement[]> {
  const secretKeys = parseSealingKeys(TEST_SECRET_KEYS);
  const store = await openStore({ url, secretKeys });
  const life = await beginLife(store, { events, now: Date.now() });
  const measurements: Measurement[] = [];
  for (let month = 0; month <= months; month++) {
    const endsAt = life.clock.now + MONTH_MS;
    for (let n = 0; n < ROUNDS_PER_MONTH; n++) {
      await liveRound(life);
      await tidy(life);
    }
    life.clock.now = Math.max(life.clock.now, endsAt);
    await publish(life, month + 1);
    note(month === 0 ? "the tables are full" : `month ${month} of ${months}`);
    if (month === 0) continue;
    // A store of its own: it has one connection, whose counters count only the probes.
    const single = await openStore({ url, poolSize: 1, secretKeys });
    const probing = { ...life, store: single, ledger: createAttemptLedger(single) };
    measurements.push(await measure(life, probing, month));
    await closeStore(single);
    await upkeep(life);
    await deliverAll(life);
  }
  await closeStore(store);
  return measurements;
}
