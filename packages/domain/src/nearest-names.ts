import { distance } from "fastest-levenshtein";

/** The part of a name's characters in which a similar name may differ: more are another word, and no slip. */
const SLIPS_PART = 1 / 3;

/**
 * Maximum names that an unknown one is compared with, which takes up to a tenth of a millisecond. A catalogue
 * may have thousands.
 */
const COMPARED_MAX = 100;

/** The longest name that is compared, in characters: no code of an event type and no field is as long. */
const COMPARED_CHARS_MAX = 100;

/** Names by their length in characters, so that those that might be meant are found without a look at all. */
export type NamesByLength = ReadonlyMap<number, ReadonlySet<string>>;

export function namesByLength(names: Iterable<string>): NamesByLength {
  const known = new Map<number, Set<string>>();
  for (const name of names) {
    const others = known.get(name.length);
    if (others === undefined) known.set(name.length, new Set([name]));
    else others.add(name);
  }
  return known;
}

/**
 * Returns the known names that differ from an unknown one by a few characters, most similar first. Of many
 * that might, it compares those whose length is most similar, and looks at no others.
 */
export function nearestNames(name: string, ...known: readonly NamesByLength[]): string[] {
  if (name.length > COMPARED_CHARS_MAX) return [];
  const reach = name.length * SLIPS_PART;
  return candidatesFor(name.length, reach, known)
    .map((candidate) => ({ candidate, far: distance(name, candidate) }))
    .filter(({ far }) => far <= reach)
    .sort((a, b) => a.far - b.far || (a.candidate < b.candidate ? -1 : 1))
    .map(({ candidate }) => candidate);
}

/** Returns the names of the most similar length: names differ by at least as much as their lengths do. */
function candidatesFor(length: number, reach: number, known: readonly NamesByLength[]): string[] {
  const candidates: string[] = [];
  for (let off = 0; off <= reach; off++) {
    for (const candidateLength of new Set([length - off, length + off])) {
      for (const names of known) {
        for (const candidate of names.get(candidateLength) ?? []) {
          if (candidates.push(candidate) === COMPARED_MAX) return candidates;
        }
      }
    }
  }
  return candidates;
}
