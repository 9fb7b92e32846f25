/** The limits of the connection pool and of the lookup cache. */
export type EgressLimits = {
  /**
   * How long a connection may be idle. Default: 15 s, less than most proxies and address translators allow. A
   * shorter timeout in the receiver's `keep-alive` header is respected.
   */
  readonly idleMs: number;
  /**
   * How old a connection may be when an attempt takes it. Default: 60 s, so that a receiver can move traffic
   * to another machine. One handshake per minute costs next to nothing.
   */
  readonly lifetimeMs: number;
  /**
   * Idle connections to one origin. Default: 256, about the default number of attempts in flight in a
   * process.
   */
  readonly idlePerOriginMax: number;
  /**
   * Idle connections in total. Default: 512, which take about 40 MB with TLS. One origin can have half of
   * them.
   */
  readonly idleMax: number;
  /**
   * How long the resolver's answer is cached. Default: 30 s, a common TTL of names whose addresses change.
   */
  readonly answerMs: number;
  /** How long a failed lookup is cached: as long as the lookup took, but at least this long. Default: 1 s. */
  readonly failureMsMin: number;
  /** The maximum of the same time. Default: 30 s. */
  readonly failureMsMax: number;
  /**
   * Cached names; one that several accounts use counts for each of them. Default: 10,000, about 6 MB, or
   * 30 MB if each has as many addresses as are kept. An account's names are safe unless this many are held by
   * accounts with as many as it has.
   */
  readonly namesMax: number;
  /**
   * Addresses of a name that are kept: the first ones, which the system prefers. Each is checked by every
   * attempt. Default: 16, while a name server's answer has room for thousands.
   */
  readonly addressesMax: number;
  /**
   * Lookups in progress, in all. Default: 30, which is {@link lookupsWith} 64 threads. More than that would
   * wait for each other in Node, where accounts cannot take turns.
   */
  readonly lookupsMax: number;
  /**
   * Names waiting to be looked up, in each of the three queues. Default: 1,000, more than the default number
   * of attempts in flight in a process. One account can have four fifths of them.
   */
  readonly waitingNamesMax: number;
  /**
   * How long attempts wait for a name that resolved last time to be resolved again before they use the last
   * answer. Default: 1 s. A resolver that works answers in a tenth of that.
   */
  readonly refreshMs: number;
  /**
   * How old that last answer may be. Default: 5 min. The resolver gives up on silent name servers in much
   * less, so their names fail by then; and an address that a receiver has given up seldom belongs to somebody
   * else so soon.
   */
  readonly lastAnswerMs: number;
};

/**
 * Lookups left to the process's own partners: the database, the outbound proxy, the trace collector. If there
 * are less than eight in all, it is a quarter.
 */
const OWN_LOOKUPS = 2;

/**
 * Returns how many lookups may be in progress with this many threads (`UV_THREADPOOL_SIZE`). Node uses half
 * of them for lookups, rounded up.
 */
export function lookupsWith(threads: number): number {
  const all = Math.ceil(threads / 2);
  return all - Math.min(OWN_LOOKUPS, Math.floor(all / 4));
}

export const EGRESS_LIMITS: EgressLimits = {
  idleMs: 15_000,
  lifetimeMs: 60_000,
  idlePerOriginMax: 256,
  idleMax: 512,
  answerMs: 30_000,
  failureMsMin: 1_000,
  failureMsMax: 30_000,
  namesMax: 10_000,
  addressesMax: 16,
  lookupsMax: lookupsWith(64),
  waitingNamesMax: 1_000,
  refreshMs: 1_000,
  lastAnswerMs: 300_000,
};
