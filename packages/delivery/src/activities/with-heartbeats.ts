import type { Context } from "@temporalio/activity";

/** Heartbeats in each heartbeat timeout: one may be lost and the next one late. */
const BEATS_PER_TIMEOUT = 3;

/**
 * Runs an activity and sends heartbeats until it ends, as few as its heartbeat timeout allows: each is a
 * write to Temporal's database, and attempts that hang would send them all the time. An activity that ends
 * within a third of the timeout sends none.
 *
 * The timeout is the activity's own. One that an earlier version scheduled keeps its shorter one for all of
 * its retries.
 */
export async function withHeartbeats<Result>(
  { info, heartbeat }: { readonly info: Pick<Context["info"], "heartbeatTimeoutMs">; heartbeat(): void },
  run: () => Promise<Result>,
): Promise<Result> {
  const { heartbeatTimeoutMs } = info;
  if (!heartbeatTimeoutMs) return await run();
  const beat = setInterval(() => heartbeat(), heartbeatTimeoutMs / BEATS_PER_TIMEOUT);
  try {
    return await run();
  } finally {
    clearInterval(beat);
  }
}
