import type { Log } from "@posthaste/runtime";

/** A dependency of the worker that may be unavailable. */
export type Dependency = "database" | "temporal";

/**
 * Resolves to the dependencies that are unavailable now.
 *
 * @param error what made the caller ask: it may say by itself that the database refuses everybody
 */
export type WhatIsAway = (error?: unknown) => Promise<readonly Dependency[]>;

/** Logs work that fails again and again: once, and not each time. */
export type OutageLog = {
  /** Logs `<name>.failed`, unless the previous failure has the same reason. */
  failed(error: unknown, fields?: Readonly<Record<string, unknown>>): Promise<void>;
  /** Logs `<name>.recovered` with the number of failures, if there were any. */
  succeeded(): void;
  /**
   * Notes that there was no work. If something was away at the last failure, the outage ends once none of
   * that is. If nothing was, the work itself failed, and only a success ends the outage. Resolves to whether
   * something that was away still is.
   */
  idle(): Promise<boolean>;
};

/**
 * Creates an {@link OutageLog}.
 *
 * An outage is one reason, however its errors read: they change as connections break, are refused and time
 * out. If every dependency answers, each error message is a reason of its own.
 */
export function createOutageLog(name: string, log: Log, whatIsAway: WhatIsAway): OutageLog {
  let failures = 0;
  let lastReason: string | undefined;
  let lastAway: readonly Dependency[] = [];
  const succeeded = () => {
    if (failures > 0) log.info(`${name}.recovered`, { failures });
    failures = 0;
    lastReason = undefined;
    lastAway = [];
  };
  return {
    async failed(error, fields = {}) {
      failures += 1;
      const away = await whatIsAway(error);
      lastAway = away;
      const reason = away.length > 0 ? away.join(" ") : String(error);
      if (reason === lastReason) return;
      lastReason = reason;
      log.error(`${name}.failed`, error, { ...fields, failures, away });
    },
    succeeded,
    async idle() {
      if (lastAway.length === 0) return false;
      const before = failures;
      const away = await whatIsAway();
      const staysAway = lastAway.some((dependency) => away.includes(dependency));
      // Work may have failed while this asked.
      if (!staysAway && failures === before) succeeded();
      return staysAway;
    },
  };
}
