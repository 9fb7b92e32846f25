import { setTimeout as sleep } from "node:timers/promises";

export type Polling = {
  readonly withinMs: number;
  /** Default 50. */
  readonly everyMs?: number;
  readonly signal?: AbortSignal;
};

type Condition = () => Promise<boolean> | boolean;

/** Soon enough for a person, and seldom enough that asking costs little. */
const EVERY_MS = 50;
const ANSWERS_WITHIN_MS = 2_000;

/**
 * Asks until the answer is yes.
 *
 * @returns false where it was not so in time
 * @throws the signal's reason, once that is aborted
 */
export async function poll(
  condition: Condition,
  { withinMs, everyMs = EVERY_MS, signal }: Polling,
): Promise<boolean> {
  const endAt = performance.now() + withinMs;
  for (;;) {
    signal?.throwIfAborted();
    if (await condition()) return true;
    if (performance.now() >= endAt) return false;
    await sleep(everyMs);
  }
}

/**
 * The same for who cannot go on without it.
 *
 * @param failure what the error says where it was not so in time
 */
export async function until(
  condition: Condition,
  polling: Polling,
  failure = "it was not so",
): Promise<void> {
  if (!(await poll(condition, polling))) throw new Error(`${failure} within ${polling.withinMs} ms`);
}

/** Whether an address answers a GET with a 2xx status, soon. Leaves no connection open. */
export async function answersOk(url: string): Promise<boolean> {
  const signal = AbortSignal.timeout(ANSWERS_WITHIN_MS);
  return await fetch(url, { signal, headers: { connection: "close" } }).then(
    async (response) => {
      await response.body?.cancel();
      return response.ok;
    },
    () => false,
  );
}
