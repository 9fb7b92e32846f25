import { extname } from "node:path";
import {
  type AccountId,
  createDebts,
  createFairQueue,
  type DebtTerms,
  Refusal,
  roomToShare,
} from "@posthaste/domain";
import type { Log } from "@posthaste/runtime";
import { Piscina } from "piscina";
import { createCount } from "../../access/places.ts";
import type { Answer, CheckRun, DefineRun } from "./schema-thread.ts";
import type { Violation } from "./violations.ts";

/** Threads for schemas: two accounts at once. Each takes about 50 MB, from its first run on. */
const THREADS = 2;
/**
 * Runs of one account that wait. An account has one thread at a time, and a run takes up to a second or so:
 * callers would give up on more.
 */
const WAITING_MAX = 64;
/**
 * Characters of what waits, of all accounts together: 15 of the largest batches. Each is held as text, in two
 * bytes at most, and once more in UTF-8. Accounts share them (`roomToShare`).
 */
const WAITING_CHARS_MAX = 64 * 1_048_576;
/** Characters counted for each event in addition to its text. */
const EACH_EVENT_CHARS = 1_024;
/**
 * How long one run may take, in milliseconds, including the start of its thread. Its steps and sizes are
 * bounded, to a second or so of an idle machine; this ends what those bounds have overlooked.
 */
const RUN_MS_MAX = 30_000;
/** Memory of one thread: compiled schemas take up to 80 MB, and the largest batch less. */
const HEAP_MB_MAX = 256;
const RETRY_AFTER_MS = 1_000;
/**
 * What accounts owe for the time of a thread, with which they compile and check. A run by a schema that is
 * kept compiled takes a few milliseconds. Repaid in four times as long, a debt stays with those that use over
 * a fifth of a thread.
 */
const RUN_DEBTS: DebtTerms = { freeMs: 20, debtMsMax: 10_000, repaidIn: 4 };

/**
 * The threads in which schemas are compiled, compared and run, so that a costly one delays nobody but its own
 * account: accounts take turns, with one thread each at a time. Those that owe least for their earlier runs
 * go first, so nobody waits behind many accounts whose schemas are costly to compile or to check.
 */
export type SchemaThreads = {
  /**
   * Returns each event's violations.
   *
   * @param signal takes the run out of the queue: nobody waits for it any more
   * @throws Refusal `too_many`; the signal's reason
   */
  check(
    accountId: AccountId,
    wanted: Omit<CheckRun, "kind">,
    signal?: AbortSignal,
  ): Promise<readonly (readonly Violation[])[]>;
  /** @throws Refusal if the event type may not be defined so; `too_many` */
  define(accountId: AccountId, wanted: Omit<DefineRun, "kind">): Promise<void>;
  /** Ends the threads; their runs fail. */
  stop(): Promise<void>;
};

/** Run from source, the thread finds the packages' sources, and without a loader. */
const IS_SOURCE = extname(import.meta.url) === ".ts";

/**
 * @param options for tests; `filename` is what a thread runs, and `timeLimit` returns what ends the run that
 *   begins; `clockMs` is a monotonic clock in milliseconds
 */
export function createSchemaThreads(
  log: Log,
  {
    filename = new URL(`./schema-thread${extname(import.meta.url)}`, import.meta.url).href,
    timeLimit = () => AbortSignal.timeout(RUN_MS_MAX),
    heapMbMax = HEAP_MB_MAX,
    waitingMax = WAITING_MAX,
    waitingCharsMax = WAITING_CHARS_MAX,
    clockMs = () => performance.now(),
  }: {
    filename?: string;
    timeLimit?: () => AbortSignal;
    heapMbMax?: number;
    waitingMax?: number;
    waitingCharsMax?: number;
    clockMs?: () => number;
  } = {},
): SchemaThreads {
  const pool = new Piscina({
    filename,
    name: "run",
    minThreads: 0,
    maxThreads: THREADS,
    idleTimeout: Number.POSITIVE_INFINITY,
    resourceLimits: { maxOldGenerationSizeMb: heapMbMax },
    recordTiming: false,
    ...(IS_SOURCE ? { execArgv: ["--conditions=source"] } : {}),
  });
  // Such as a thread that could not start. The next run starts another one.
  pool.on("error", (error: unknown) => log.error("schema_threads.failed", error));
  const inThread = async (wanted: CheckRun | DefineRun): Promise<unknown> => {
    const answer: Answer<unknown> = await pool.run(wanted, { signal: timeLimit() }).catch(refuseIfTooCostly);
    if ("value" in answer) return answer.value;
    const { code, message, field, ...more } = answer.refused;
    throw new Refusal(code, message, { ...(field === undefined ? {} : { field }), ...more });
  };
  const turn = createTurns({ waitingMax, waitingCharsMax, clockMs });
  return {
    async check(accountId, wanted, signal) {
      const chars = wanted.events.reduce((sum, { json }) => sum + EACH_EVENT_CHARS + json.length, 0);
      const run = () => inThread({ kind: "check", ...wanted });
      return (await turn(accountId, chars, run, signal)) as Violation[][];
    },
    define: async (accountId, wanted) =>
      void (await turn(accountId, wanted.schemaJson.length + wanted.sampleJson.length, () =>
        inThread({ kind: "define", ...wanted }),
      )),
    stop: () => pool.destroy(),
  };
}

/** A run that ends its thread may have met a busy or suspended machine, so it may be tried again. */
function refuseIfTooCostly(error: Error & { code?: string }): never {
  if (error.name !== "AbortError" && error.code !== "ERR_WORKER_OUT_OF_MEMORY") throw error;
  throw new Refusal(
    "too_many",
    "checking by these schemas takes too much time or memory; send fewer events in one call, or simplify the schema",
    { retryAfterMs: RETRY_AFTER_MS, cause: error },
  );
}

/** Lets accounts take turns at the threads. */
function createTurns({
  waitingMax,
  waitingCharsMax,
  clockMs,
}: {
  readonly waitingMax: number;
  readonly waitingCharsMax: number;
  readonly clockMs: () => number;
}) {
  const debts = createDebts(RUN_DEBTS, clockMs);
  const waiting = createFairQueue<() => Promise<void>>();
  const waitingChars = createCount<AccountId>();
  let free = waitingCharsMax;
  const hold = (accountId: AccountId, chars: number) => {
    waitingChars.add(accountId, chars);
    free -= chars;
  };
  const running = new Set<AccountId>();
  const goOn = () => {
    while (running.size < THREADS) {
      const begin = waiting.next((accountId) => !running.has(accountId), debts.of);
      if (begin === undefined) return;
      void begin();
    }
  };
  return async <T>(accountId: AccountId, chars: number, body: () => Promise<T>, signal?: AbortSignal) => {
    signal?.throwIfAborted();
    const calls = waiting.sizeOf(accountId);
    // An account's only call may have all that is free: its size is bounded, too.
    const room = calls > 0 ? roomToShare(waitingChars.of(accountId), free) : free;
    if (calls >= waitingMax || chars > room) {
      throw new Refusal(
        "too_many",
        `too many or too large calls wait for the check of their schemas, ${calls} of this account; send fewer at once`,
        { retryAfterMs: RETRY_AFTER_MS },
      );
    }
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const begin = async () => {
      signal?.removeEventListener("abort", leave);
      hold(accountId, -chars);
      running.add(accountId);
      const end = debts.begin(accountId);
      await body().then(resolve, reject);
      end();
      running.delete(accountId);
      goOn();
    };
    const leave = () => {
      waiting.remove(accountId, begin);
      hold(accountId, -chars);
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", leave, { once: true });
    hold(accountId, chars);
    waiting.add(accountId, begin);
    goOn();
    return await promise;
  };
}
