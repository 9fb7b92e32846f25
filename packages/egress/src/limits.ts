/** What is kept of one attempt for those that follow. */
export type EgressLimits = {
  /**
   * How long a connection may be idle. Default: 15 s, less than common proxies and address translators allow; a
   * receiver that allows less mostly says so in `keep-alive`, which is heeded.
   */
  readonly idleMs: number;
  /**
   * How old a connection may be when an attempt takes it. Default: 60 s, so that a receiver can move us to another of
   * its machines; a handshake a minute costs nothing.
   */
  readonly lifetimeMs: number;
  /** Idle connections to one origin. Default: 256, about what a process has under way by default. */
  readonly idlePerOriginMax: number;
  /** Idle connections in all. Default: 512, with TLS some 40 MB; no origin can have more than half of them. */
  readonly idleMax: number;
  /** How long an answer of the resolver counts. Default: 30 s, a common time to live of names that are meant to move. */
  readonly answerMs: number;
  /** How long a failure to resolve a name counts: as long as it took to fail, but at least this. Default: 1 s. */
  readonly failureMsMin: number;
  /** The same, at most. Default: 30 s. */
  readonly failureMsMax: number;
  /** Names that are remembered. Default: 10,000, some 5 MB. */
  readonly namesMax: number;
  /** Look-ups at once of names that were never asked for. Default: 16 of the 32 that 64 threads can do. */
  readonly newNamesMax: number;
  /** Look-ups at once of names that failed last time. Default: 8 of those 32; the rest is for names that answer. */
  readonly failedNamesMax: number;
  /** Names that wait in either line. Default: 1,000, more than the attempts that a process has under way by default. */
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
