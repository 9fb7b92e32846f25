import { distance } from "fastest-levenshtein";

/** The part of a name's characters in which a similar name may differ: more are another word, and no slip. */
const SLIPS_PART = 1 / 3;

/**
 * Maximum names that an unknown one is compared with. A catalogue may have thousands, and comparing two of 64
 * characters takes some ten microseconds.
 */
const COMPARED_MAX = 100;

/** The longest name that is compared, in characters: no code of an event type and no field is as long. */
const COMPARED_CHARS_MAX = 100;

/**
 * Returns the known names that differ from an unknown one by a few characters, most similar first. Of many
 * that might, it compares those whose length is most similar.
 */
export function nearestNames(name: string, known: readonly string[]): string[] {
  if (name.length > COMPARED_CHARS_MAX) return [];
  const reach = name.length * SLIPS_PART;
  // Names differ by at least as many characters as their lengths do.
  const leastFar = (candidate: string) => Math.abs(candidate.length - name.length);
  return known
    .filter((candidate) => leastFar(candidate) <= reach)
    .sort((a, b) => leastFar(a) - leastFar(b))
    .slice(0, COMPARED_MAX)
    .map((candidate) => ({ candidate, far: distance(name, candidate) }))
    .filter(({ far }) => far <= reach)
    .sort((a, b) => a.far - b.far || (a.candidate < b.candidate ? -1 : 1))
    .map(({ candidate }) => candidate);
}
