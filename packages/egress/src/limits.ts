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
  /** Cached names. Default: 10,000, about 5 MB. */
  readonly namesMax: number;
  /** Concurrent lookups of uncached names. Default: 16 of the 32 lookups that 64 threads allow. */
  readonly newNamesMax: number;
  /**
   * Concurrent lookups of names whose last lookup failed. Default: 8 of these 32; the rest is for working
   * names.
   */
  readonly failedNamesMax: number;
  /**
   * Names waiting in each queue. Default: 1,000, more than the default number of attempts in flight in a
   * process.
   */
  readonly waitingNamesMax: number;
};

export const EGRESS_LIMITS: EgressLimits = {
  idleMs: 15_000,
  lifetimeMs: 60_000,
  idlePerOriginMax: 256,
  idleMax: 512,
  answerMs: 30_000,
  failureMsMin: 1_000,
  failureMsMax: 30_000,
  namesMax: 10_000,
  newNamesMax: 16,
  failedNamesMax: 8,
  waitingNamesMax: 1_000,
};
