import type { Log } from "@posthaste/runtime";

/** A worker that takes longer is busy or gone; its polling will find the delivery. */
const NUDGE_TIMEOUT_MS = 1_000;

/**
 * Tells workers that deliveries are pending, so that they poll at once. Best effort: each worker has at most
 * one nudge in flight, further calls coalesce into one more, and failures are only logged.
 */
export function createNudge(workerUrls: readonly string[], log: Log): () => void {
  const nudges = workerUrls.map((url) => createOne(new URL("/nudge", url), log));
  return () => {
    for (const nudge of nudges) nudge();
  };
}

function createOne(url: URL, log: Log): () => void {
  let inFlight = false;
  let again = false;
  let failing = false;
  const send = async () => {
    try {
      const response = await fetch(url, { method: "POST", signal: AbortSignal.timeout(NUDGE_TIMEOUT_MS) });
      await response.body?.cancel();
      if (failing) log.info("nudge.recovered", { worker: url.host });
      failing = false;
    } catch {
      // Logged once: every ingest would repeat it while the worker is unreachable.
      if (!failing) log.warn("nudge.failed", { worker: url.host });
      failing = true;
    }
  };
  const run = async () => {
    inFlight = true;
    do {
      again = false;
      await send();
    } while (again);
    inFlight = false;
  };
  return () => {
    if (inFlight) again = true;
    else void run();
  };
}
