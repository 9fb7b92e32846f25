import { extname } from "node:path";
import { type AccountId, createFairQueue, Refusal } from "@posthaste/domain";
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
/** Characters of what they check together: ten of the largest batches, each held several times over. */
const WAITING_CHARS_MAX = 40 * 1_048_576;
/**
 * How long one run may take, in milliseconds. Its steps and sizes are bounded, to a second or so of an idle
 * machine; this ends what those bounds have overlooked.
 */
const RUN_MS_MAX = 30_000;
/** Memory of one thread: compiled schemas take up to 80 MB, and the largest batch less. */
const HEAP_MB_MAX = 256;
const RETRY_AFTER_MS = 1_000;

/**
 * The threads in which schemas are compiled, compared and run, so that a costly one delays nobody but its own
 * account: accounts take turns, with one thread each at a time.
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

/** @param options for tests; `filename` is what a thread runs */
export function createSchemaThreads(
  log: Log,
  {
    filename = new URL(`./schema-thread${extname(import.meta.url)}`, import.meta.url).href,
    runMsMax = RUN_MS_MAX,
    heapMbMax = HEAP_MB_MAX,
    waitingMax = WAITING_MAX,
    waitingCharsMax = WAITING_CHARS_MAX,
  }: {
    filename?: string;
    runMsMax?: number;
    heapMbMax?: number;
    waitingMax?: number;
    waitingCharsMax?: number;
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
    const answer: Answer<unknown> = await pool
      .run(wanted, { signal: AbortSignal.timeout(runMsMax) })
      .catch(refuseIfTooCostly);
    if ("value" in answer) return answer.value;
    const { code, message, field, ...more } = answer.refused;
    throw new Refusal(code, message, { ...(field === undefined ? {} : { field }), ...more });
  };
  const turn = createTurns(waitingMax, waitingCharsMax);
  return {
    async check(accountId, wanted, signal) {
      const chars = wanted.events.reduce((sum, { json }) => sum + json.length, 0);
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
function createTurns(waitingMax: number, waitingCharsMax: number) {
  const waiting = createFairQueue<() => Promise<void>>();
  const waitingChars = createCount<AccountId>();
  const running = new Set<AccountId>();
  const goOn = () => {
    while (running.size < THREADS) {
      const begin = waiting.next((accountId) => !running.has(accountId));
      if (begin === undefined) return;
      void begin();
    }
  };
  return async <T>(accountId: AccountId, chars: number, body: () => Promise<T>, signal?: AbortSignal) => {
    signal?.throwIfAborted();
    const calls = waiting.sizeOf(accountId);
    const charsWith = waitingChars.of(accountId) + chars;
    if (calls >= waitingMax || (calls > 0 && charsWith > waitingCharsMax)) {
      throw new Refusal(
        "too_many",
        `${calls} calls of this account wait for the check of their schemas; send fewer at once`,
        { retryAfterMs: RETRY_AFTER_MS },
      );
    }
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const begin = async () => {
      signal?.removeEventListener("abort", leave);
      waitingChars.add(accountId, -chars);
      running.add(accountId);
      await body().then(resolve, reject);
      running.delete(accountId);
      goOn();
    };
    const leave = () => {
      waiting.remove(accountId, begin);
      waitingChars.add(accountId, -chars);
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", leave, { once: true });
    waitingChars.add(accountId, chars);
    waiting.add(accountId, begin);
    goOn();
    return await promise;
  };
}
