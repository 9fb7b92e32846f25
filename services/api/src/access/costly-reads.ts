import { type AccountId, createFairQueue, Refusal } from "@posthaste/domain";
import { BUSY_RETRY_AFTER_MS } from "../http/limits.ts";

/** The part of the database's connections for costly reads: the other half is for ingest and all else. */
const CONNECTIONS_SHARE = 1 / 2;
/**
 * Calls that wait for a place. Each reads for up to half a second on a busy server, so with five places the
 * last of them waits half a minute: callers give up on more.
 */
const WAITING_MAX = 256;

/** The places of reads that examine up to thousands of rows, in which accounts take turns. */
export type CostlyReads = {
  /**
   * Reads while it holds a place. The read must use one connection at a time.
   *
   * @param signal takes the read out of the queue: nobody waits for it any more
   * @returns undefined if the signal came before a place
   * @throws Refusal `too_many` if too many wait and most of them are this account's
   */
  run<T extends object>(
    accountId: AccountId,
    read: () => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T | undefined>;
  /** Returns how many read or wait. */
  open(): number;
};

type Waiting = { readonly begin: () => void; readonly refuse: () => void };

/**
 * Keeps costly reads from taking every connection to the database, whose callers are served in the order in
 * which they come: one account's lists would make all others wait.
 *
 * SQLite has one connection, so one costly read is in line for it at a time. Its statements run one after the
 * other, and those of others come in between.
 *
 * @param options.connections the database's; at least one place is for costly reads
 * @param options.streams how many streams may poll: those wait here, too, but their number has its own bound
 */
export function createCostlyReads({
  connections,
  streams,
  waitingMax = WAITING_MAX,
}: {
  connections: number;
  streams: number;
  waitingMax?: number;
}): CostlyReads {
  const places = Math.max(1, Math.floor(connections * CONNECTIONS_SHARE));
  const waiting = createFairQueue<Waiting>({ max: waitingMax + streams });
  let reading = 0;
  const goOn = () => {
    while (reading < places) {
      const next = waiting.next();
      if (next === undefined) return;
      reading += 1;
      next.begin();
    }
  };
  /** Resolves to whether it has a place; false: the signal came first. */
  const takePlace = async (accountId: AccountId, signal: AbortSignal | undefined) => {
    if (signal?.aborted === true) return false;
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    const leave = () => {
      waiting.remove(accountId, one);
      resolve(false);
    };
    const one: Waiting = {
      begin: () => resolve(true),
      refuse: () => reject(tooMany(waiting.sizeOf(accountId))),
    };
    signal?.addEventListener("abort", leave, { once: true });
    waiting.add(accountId, one)?.refuse();
    goOn();
    return await promise.finally(() => signal?.removeEventListener("abort", leave));
  };
  return {
    async run(accountId, read, signal) {
      if (!(await takePlace(accountId, signal))) return undefined;
      try {
        return await read();
      } finally {
        reading -= 1;
        goOn();
      }
    },
    open: () => reading + waiting.size(),
  };
}

function tooMany(waiting: number): Refusal {
  return new Refusal(
    "too_many",
    `${waiting} costly reads of this account wait already, such as lists and statistics; wait until one of them ends`,
    { reason: "REQUESTS_FULL", metadata: { holder: "account" }, retryAfterMs: BUSY_RETRY_AFTER_MS },
  );
}
