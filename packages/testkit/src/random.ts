import { createHash } from "node:crypto";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

/** A source of choices that are the same for the same seed. */
export type Random = {
  /** Returns a whole number from `min` to `max`, both included. */
  between(min: number, max: number): number;
  pick<T>(choices: readonly [T, ...T[]]): T;
};

/**
 * Creates a source of choices for one purpose. Each purpose has a separate source, so that one purpose's
 * draws do not shift those of another: under faults, processes never act in the same order twice.
 */
export function randomFor(seed: number, ...purpose: readonly (string | number)[]): Random {
  const digest = createHash("sha256")
    .update([seed, ...purpose].join("/"))
    .digest();
  const generator = xoroshiro128plus(digest.readInt32BE(0));
  const between = (min: number, max: number) => uniformInt(generator, min, max);
  return {
    between,
    pick: (choices) => choices[between(0, choices.length - 1)] ?? choices[0],
  };
}
