import { randomFor } from "@posthaste/testkit/random";

export const ATTACK_KINDS = [
  "resets",
  "half-open",
  "slow-bodies",
  "streams",
  "bombs",
  "churn",
  "bad-tokens",
] as const;
export type AttackKind = (typeof ATTACK_KINDS)[number];

/** One attack of the run. Times are milliseconds; `at` is after the start of the attacks. */
export type Strike = {
  readonly kind: AttackKind;
  /** 0 for the first of its kind. */
  readonly n: number;
  readonly at: number;
  readonly forMs: number;
};

/** Each kind strikes once in each round, so that a short run has all of them. */
const ROUND_MS = 10_000;
/** How much of a round a strike lasts: two or three overlap. */
const PART_MIN = 0.2;
const PART_MAX = 0.5;

const QUIET_MS_MIN = 3_000;

/** Returns how long the well-behaved account is alone before the attacks. */
export function quietMs(seconds: number): number {
  return Math.max(QUIET_MS_MIN, Math.ceil((seconds * 1_000) / 3));
}

/** Plans the strikes of a run; the same seed gives the same ones. */
export function planStrikes(options: {
  readonly seed: number;
  readonly seconds: number;
  readonly kinds: readonly AttackKind[];
}): readonly Strike[] {
  const { seed, seconds, kinds } = options;
  const rounds = Math.max(1, Math.floor((seconds * 1_000) / ROUND_MS));
  const roundMs = Math.floor((seconds * 1_000) / rounds);
  return kinds
    .flatMap((kind) => {
      const random = randomFor(seed, "strike", kind);
      return Array.from({ length: rounds }, (_, n): Strike => {
        const forMs = random.between(Math.floor(roundMs * PART_MIN), Math.floor(roundMs * PART_MAX));
        return { kind, n, at: n * roundMs + random.between(0, roundMs - forMs), forMs };
      });
    })
    .sort((a, b) => a.at - b.at);
}
