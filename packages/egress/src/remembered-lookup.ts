import type { EgressLimits } from "./limits.ts";
import type { Lookup } from "./resolve-target.ts";

type Found = ReturnType<Lookup>;

type Remembered = {
  readonly answer: Found;
  /** When the entry expires; infinity while its lookup is in progress. */
  until: number;
  hasFailed: boolean;
  /** Whether its lookup waits for others to end. */
  readonly isQueued: boolean;
};

export type RememberedLookups = {
  /** Returns the cached or the resolver's answer. Also rejects if the name's queue is full. */
  readonly resolve: Lookup;
  /** Whether the resolver has not been asked for the name yet, because other names keep it busy. */
  readonly isQueued: (hostname: string) => boolean;
};

/**
 * Caches a resolver's answers for a fixed time, because the operating system's resolver, which knows the
 * hosts file and search domains, does not report a TTL. A failure is cached for as long as its lookup took.
 *
 * A lookup occupies one of few threads until the name servers answer or time out, which can take tens of
 * seconds, and it cannot be cancelled. To keep slow names from occupying all threads, concurrent calls for
 * one name share one lookup, and there are separate queues for new names and for names whose last lookup
 * failed. Names that resolved last time do not queue.
 *
 * @param now milliseconds of a monotonic clock
 */
export function rememberLookups(lookup: Lookup, limits: EgressLimits, now: () => number): RememberedLookups {
  /** In the order of their last lookups. */
  const names = new Map<string, Remembered>();
  const newNames = createQueue(limits.newNamesMax, limits.waitingNamesMax);
  const failedNames = createQueue(limits.failedNamesMax, limits.waitingNamesMax);

  const ask = (hostname: string, queue: Queue | undefined): Remembered => {
    let begunAt = Number.POSITIVE_INFINITY;
    const begin = () => {
      begunAt = now();
      return lookup(hostname);
    };
    const entry: Remembered = {
      answer: queue === undefined ? begin() : queue.begin(begin),
      until: Number.POSITIVE_INFINITY,
      hasFailed: false,
      get isQueued() {
        return begunAt === Number.POSITIVE_INFINITY;
      },
    };
    entry.answer.then(
      () => {
        entry.until = now() + limits.answerMs;
      },
      () => {
        const tookMs = now() - begunAt;
        entry.until = now() + Math.min(limits.failureMsMax, Math.max(limits.failureMsMin, tookMs));
        entry.hasFailed = true;
      },
    );
    return entry;
  };

  const resolve: Lookup = (hostname) => {
    const known = names.get(hostname);
    if (known !== undefined && now() < known.until) return known.answer;
    const queue = known === undefined ? newNames : known.hasFailed ? failedNames : undefined;
    if (queue?.isFull()) return Promise.reject(new Error("too many names wait to be looked up"));
    const entry = ask(hostname, queue);
    names.delete(hostname);
    names.set(hostname, entry);
    if (names.size > limits.namesMax) names.delete(names.keys().next().value ?? "");
    return entry.answer;
  };
  return { resolve, isQueued: (hostname) => names.get(hostname)?.isQueued ?? false };
}

type Queue = { isFull(): boolean; begin(lookup: () => Found): Found };

/** Creates a queue that runs at most `max` lookups at once; further lookups wait in order of arrival. */
function createQueue(max: number, waitingMax: number): Queue {
  const waiting: (() => void)[] = [];
  let running = 0;
  return {
    isFull: () => waiting.length >= waitingMax,
    async begin(lookup) {
      if (running >= max) await new Promise<void>((resolve) => waiting.push(resolve));
      else running += 1;
      try {
        return await lookup();
      } finally {
        const next = waiting.shift();
        if (next === undefined) running -= 1;
        // The next lookup takes over this one's place.
        else next();
      }
    },
  };
}
