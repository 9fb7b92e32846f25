import type { Log } from "@posthaste/runtime";

/** A worker that takes longer is busy or gone; its timer will find the delivery. */
const NUDGE_TIMEOUT_MS = 1_000;

/**
 * Tells workers that deliveries are pending, so that they need not wait for their timer. Best effort: at most one
 * nudge is under way to each worker, calls meanwhile make one more, and failures are only logged.
 */
export function createNudge(workerUrls: readonly string[], log: Log): () => void {
  const nudges = workerUrls.map((url) => createOne(new URL("/nudge", url), log));
  return () => {
    for (const nudge of nudges) nudge();
  };
}

function createOne(url: URL, log: Log): () => void {
  let underWay = false;
  let again = false;
  let failing = false;
  const send = async () => {
    try {
      const response = await fetch(url, { method: "POST", signal: AbortSignal.timeout(NUDGE_TIMEOUT_MS) });
      await response.body?.cancel();
      if (failing) log.info("nudge.recovered", { worker: url.host });
      failing = false;
    } catch {
      // Said once: while a worker is away, every ingest would say it again.
      if (!failing) log.warn("nudge.failed", { worker: url.host });
      failing = true;
    }
  };
  const run = async () => {
    underWay = true;
    do {
      again = false;
      await send();
    } while (again);
    underWay = false;
  };
  return () => {
    if (underWay) again = true;
    else void run();
  };
}
