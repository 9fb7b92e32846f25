import { setTimeout as pause } from "node:timers/promises";

const EVERY_MS = 100;

/**
 * Asks until the answer is yes.
 *
 * @returns false where it was not so in time
 * @throws the signal's reason, once that is aborted
 */
export async function poll(
  condition: () => Promise<boolean> | boolean,
  { withinMs, signal }: { withinMs: number; signal?: AbortSignal },
): Promise<boolean> {
  const endAt = performance.now() + withinMs;
  for (;;) {
    signal?.throwIfAborted();
    if (await condition()) return true;
    if (performance.now() >= endAt) return false;
    await pause(EVERY_MS);
  }
}

/** Whether an address answers a GET with a 2xx status, soon. */
export async function answersOk(url: string): Promise<boolean> {
  return await fetch(url, { signal: AbortSignal.timeout(2_000) }).then(
    async (response) => {
      await response.body?.cancel();
      return response.ok;
    },
    () => false,
  );
}
