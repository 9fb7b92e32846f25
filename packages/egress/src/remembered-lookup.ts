import type { AccountId } from "@posthaste/domain";
import type { EgressLimits } from "./limits.ts";
import { createLookupQueues, type Kind, type Lookable } from "./lookup-queue.ts";
import type { Lookup } from "./resolve-target.ts";
import { createSharedCache } from "./shared-cache.ts";

type Found = ReturnType<Lookup>;

/** A name's lookup in progress, or its last one. */
type Remembered = Lookable & {
  readonly kind: Kind;
  readonly answer: Found;
  /** When it began, which is after it was asked for if others kept the resolver busy. */
  readonly begunAt: number | undefined;
  /** When the entry expires; infinity while its lookup is in progress. */
  until: number;
  /** When it resolved; undefined before that and if it failed. */
  foundAt: number | undefined;
  /** The last good answer, for those who ask while the lookup is in progress. */
  readonly meanwhile: Meanwhile | undefined;
};

type Meanwhile = {
  /** The lookup's answer or, if it takes too long, the last good one. */
  readonly answer: Found;
  /** When the last good answer is too old. */
  readonly until: number;
  readonly last: Found;
};

export type Resolution = {
  readonly answer: Found;
  /** Returns how long the caller has waited only because other names kept the resolver busy. */
  readonly queuedMs: () => number;
};

/** Returns the cached or the resolver's answer, which rejects also if too many names wait. */
export type ResolveName = (hostname: string, accountId: AccountId) => Resolution;

/**
 * Caches a resolver's answers for a fixed time, because the operating system's resolver, which knows the
 * hosts file and search domains, does not report a TTL. A failure is cached for as long as its lookup took.
 *
 * A lookup occupies one of few threads until the name servers answer or time out, which can take tens of
 * seconds, and it cannot be cancelled. More lookups than threads would wait where this process can neither
 * see nor order them. So there are never more in progress than `lookupsMax`. The others wait in queues by the
 * kind of name, which accounts share, and concurrent calls for one name share one lookup.
 *
 * Names are remembered by the accounts that use them, so that no account's names displace those of others: a
 * forgotten name has no last answer, and waits with the new ones.
 *
 * Only the first addresses of a name are kept. The others are neither checked nor called.
 *
 * If the lookup of a name that resolved last time does not end soon, callers get its last answer, unless that
 * is too old. They check its addresses anyway, like any other answer's.
 *
 * @param now milliseconds of a monotonic clock
 */
export function rememberLookups(lookup: Lookup, limits: EgressLimits, now: () => number): ResolveName {
  const names = createSharedCache<Remembered>(limits.namesMax);
  const queues = createLookupQueues(limits.lookupsMax, limits.waitingNamesMax, now);

  const meanwhileFor = (answer: Found, before: Remembered | undefined): Meanwhile | undefined => {
    if (before?.foundAt === undefined) return undefined;
    const last = before.answer;
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, limits.refreshMs).unref();
    });
    const stop = () => clearTimeout(timer);
    const first = Promise.race([answer, patience.then(() => last)]);
    // Perhaps nobody waits for it. A failure is an error only for those who do.
    first.then(stop, stop);
    return { answer: first, until: before.foundAt + limits.lastAnswerMs, last };
  };

  /** Prepares a lookup; a queue begins it. */
  const prepare = (hostname: string, before: Remembered | undefined): Remembered => {
    const { promise: answer, resolve } = Promise.withResolvers<Awaited<Found>>();
    let begunAt: number | undefined;
    const entry: Remembered = {
      kind: before === undefined ? "new" : before.foundAt === undefined ? "failed" : "known",
      answer,
      get begunAt() {
        return begunAt;
      },
      get hasBegun() {
        return begunAt !== undefined;
      },
      async begin() {
        begunAt = now();
        resolve(lookup(hostname).then((addresses) => addresses.slice(0, limits.addressesMax)));
        await answer.catch(() => {});
      },
      until: Number.POSITIVE_INFINITY,
      foundAt: undefined,
      meanwhile: meanwhileFor(answer, before),
    };
    answer.then(
      () => {
        entry.foundAt = now();
        entry.until = entry.foundAt + limits.answerMs;
      },
      () => {
        const tookMs = now() - (begunAt ?? now());
        entry.until = now() + Math.min(limits.failureMsMax, Math.max(limits.failureMsMin, tookMs));
      },
    );
    return entry;
  };

  return (hostname, accountId) => {
    const before = names.get(hostname);
    const isRemembered = before !== undefined && now() < before.until;
    const entry = isRemembered ? before : prepare(hostname, before);
    const meanwhile = usable(entry, now());
    const isAdded = entry.hasBegun || queues[entry.kind].add(entry, accountId);
    // A name that others wait for already is looked up in their turn.
    const isRefused = !isAdded && !isRemembered;
    const kept = isRefused ? before : entry;
    if (kept !== undefined) names.use(hostname, kept, accountId);
    if (isRefused) return atOnce(meanwhile?.last ?? Promise.reject(tooMany()));
    return resolution(entry, meanwhile?.answer ?? entry.answer, now);
  };
}

/** Returns what may be used until the lookup has ended. */
function usable({ until, meanwhile }: Remembered, nowMs: number): Meanwhile | undefined {
  const isInProgress = until === Number.POSITIVE_INFINITY;
  return isInProgress && meanwhile !== undefined && nowMs < meanwhile.until ? meanwhile : undefined;
}

function resolution(entry: Remembered, answer: Found, now: () => number): Resolution {
  if (entry.hasBegun) return atOnce(answer);
  const askedAt = now();
  let answeredAt: number | undefined;
  const note = () => {
    answeredAt = now();
  };
  answer.then(note, note);
  return { answer, queuedMs: () => Math.min(entry.begunAt ?? now(), answeredAt ?? now()) - askedAt };
}

/** The resolution of a name that need not wait for other names. */
function atOnce(answer: Found): Resolution {
  return { answer, queuedMs: () => 0 };
}

function tooMany(): Error {
  return new Error("too many names wait to be looked up");
}
