import type { EgressLimits } from "./limits.ts";
import type { Lookup } from "./resolve-target.ts";

type Found = ReturnType<Lookup>;

type Remembered = {
  readonly answer: Found;
  /** Infinity while it is looked up. */
  until: number;
  hasFailed: boolean;
};

/**
 * Remembers what a resolver answers, for a fixed time: the operating system's tells no time to live, but knows the
 * hosts file and search domains. A failure is remembered for as long as it took to come about.
 *
 * A look-up holds one of few threads until the name's servers answer or are given up, tens of seconds later, and cannot
 * be told to stop. So that names without an answer leave threads to the others, everybody who asks for a name meanwhile
 * shares its look-up, and those of names that are new, or that failed last time, wait for each other in a line apart.
 *
 * @param now milliseconds of a clock that never goes back
 */
export function rememberLookups(lookup: Lookup, limits: EgressLimits, now: () => number): Lookup {
  /** In the order in which they were looked up. */
  const names = new Map<string, Remembered>();
  const newNames = createLine(limits.newNamesMax, limits.waitingNamesMax);
  const failedNames = createLine(limits.failedNamesMax, limits.waitingNamesMax);

  const ask = (hostname: string, line: Line | undefined): Remembered => {
    let begunAt = now();
    const begin = () => {
      begunAt = now();
      return lookup(hostname);
    };
    const asked: Remembered = {
      answer: line === undefined ? begin() : line.begin(begin),
      until: Number.POSITIVE_INFINITY,
      hasFailed: false,
    };
    asked.answer.then(
      () => {
        asked.until = now() + limits.answerMs;
      },
      () => {
        const tookMs = now() - begunAt;
        asked.until = now() + Math.min(limits.failureMsMax, Math.max(limits.failureMsMin, tookMs));
        asked.hasFailed = true;
      },
    );
    return asked;
  };

  return (hostname) => {
    const known = names.get(hostname);
    if (known !== undefined && now() < known.until) return known.answer;
    const line = known === undefined ? newNames : known.hasFailed ? failedNames : undefined;
    if (line?.isFull()) return Promise.reject(new Error("too many names wait to be looked up"));
    const asked = ask(hostname, line);
    names.delete(hostname);
    names.set(hostname, asked);
    if (names.size > limits.namesMax) names.delete(names.keys().next().value ?? "");
    return asked.answer;
  };
}

type Line = { isFull(): boolean; begin(lookup: () => Found): Found };

/** Lets so many begin at once; others wait, in the order in which they came. */
function createLine(max: number, waitingMax: number): Line {
  const waiting: (() => void)[] = [];
  let underWay = 0;
  return {
    isFull: () => waiting.length >= waitingMax,
    async begin(lookup) {
      if (underWay >= max) await new Promise<void>((resolve) => waiting.push(resolve));
      else underWay += 1;
      try {
        return await lookup();
      } finally {
        const next = waiting.shift();
        if (next === undefined) underWay -= 1;
        // Its place goes over.
        else next();
      }
    },
  };
}
