/** Everything that the way out keeps for the next attempt, bounded. */
export type EgressLimits = {
  /** How long a connection may be idle. Default: 15 s, less than common proxies and address translators allow; who allows less mostly says so in `keep-alive`, and is heeded. */
  readonly idleMs: number;
  /** How old a connection may be when an attempt takes it. Default: 60 s, so that the receiver's balancer can move us; a handshake a minute costs nothing. */
  readonly lifetimeMs: number;
  /** Idle connections to one origin. Default: 256, about what a process has under way by default, so that a burst to one host finds its connections again. */
  readonly idlePerOriginMax: number;
  /** Idle connections in all. Default: 512; with TLS some 40 MB, and no origin can have more than half of them. */
  readonly idleMax: number;
  /** How long an answer of the resolver counts. Default: 30 s, what names that are meant to move are commonly given. */
  readonly answerMs: number;
  /** How long a name that could not be resolved is not asked for again, at least. Default: 1 s. */
  readonly failureMsMin: number;
  /** The same, at most: the time its look-up took, between these. Default: 30 s. */
  readonly failureMsMax: number;
  /** Names that are remembered. Default: 10,000, some 5 MB. */
  readonly namesMax: number;
  /** Look-ups at once of names that were never asked for. Default: 16 of the 32 that 64 threads make. */
  readonly newNamesMax: number;
  /** Look-ups at once of names that could not be resolved last time. Default: 8 of those 32; the other 8 are left to names that answer. */
  readonly failedNamesMax: number;
  /** Look-ups that wait for either. Default: 1,000, more than attempts are under way in most processes. */
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
