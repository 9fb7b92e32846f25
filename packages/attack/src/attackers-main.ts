import { setMaxListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { randomFor } from "@posthaste/testkit/random";
import { ATTACKS } from "./attacks/attacks.ts";
import { type AttackKind, planStrikes } from "./plan.ts";
import { strike, type Tally, type Target } from "./strike.ts";

/** What the attackers are told. */
export type AttackersOptions = {
  readonly target: Target;
  readonly seed: number;
  readonly seconds: number;
  readonly kinds: readonly AttackKind[];
};

/** What the attackers did, by kind. */
export type Tallies = Partial<Record<AttackKind, Tally>>;

/** The process of all attackers: performs the strikes, reports what it did, and ends with its parent. */
const { target, ...run }: AttackersOptions = JSON.parse(process.argv[2] ?? "{}");
process.once("disconnect", () => process.exit(1));
const startedAt = performance.now();
const tallies: Tallies = {};
await Promise.all(
  planStrikes(run).map(async ({ kind, n, at, forMs }) => {
    const tally = tallies[kind] ?? { connections: 0, requests: 0, accepted: 0, refused: 0 };
    tallies[kind] = tally;
    await sleep(Math.max(0, startedAt + at - performance.now()));
    const signal = AbortSignal.timeout(forMs);
    // Every request in flight listens to it.
    setMaxListeners(0, signal);
    await strike(ATTACKS[kind], { target, random: randomFor(run.seed, kind, n), signal, tally });
  }),
);
process.send?.(tallies, () => process.exit(0));
