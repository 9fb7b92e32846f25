import { type DestinationStream, pino } from "pino";

/** Writes one wide JSON line for each unit of work, such as `delivery.attempted`. */
export type Log = {
  info(event: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(event: string, fields?: Readonly<Record<string, unknown>>): void;
  /** Logs `error` with its code, stack and causes. */
  error(event: string, error: unknown, fields?: Readonly<Record<string, unknown>>): void;
  /** Returns a log that adds these fields to every line. */
  with(fields: Readonly<Record<string, unknown>>): Log;
};

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/**
 * Creates a log.
 *
 * @param level the least important level that is written
 * @param fields fields of every line
 * @param to where lines are written; default: standard output
 */
export function createLog(
  level: LogLevel,
  fields: Readonly<Record<string, unknown>>,
  to?: DestinationStream,
): Log {
  const options = {
    level,
    base: fields,
    messageKey: "event",
    formatters: { level: (label: string) => ({ level: label }) },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    serializers: { error: (error: unknown) => describeError(error) },
  };
  return wrap(to === undefined ? toOutput(options) : pino(options, to));
}

/**
 * Maximum bytes of lines that wait for standard output, some ten thousand lines. More would take memory from
 * the work, for as long as a disk is full or a pipe is not read.
 */
const WAITING_BYTES_MAX = 8 * 1024 * 1024;

/**
 * Returns a logger to standard output. No line is worth the process: if the output refuses lines (a full
 * disk) or does not read them (a pipe that stalls), they wait and are written with the next ones. What does
 * not fit is lost, and counted.
 */
function toOutput(options: pino.LoggerOptions): pino.Logger {
  const output = pino.destination({ fd: 1, sync: false, maxLength: WAITING_BYTES_MAX });
  const logger = pino(options, output);
  // What Node or a library writes by itself, such as a warning, is not worth the process either.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  let lost = 0;
  let isRefused = false;
  output.on("error", () => {
    // The lines stay in the buffer. There is no other place to tell of it.
    isRefused = true;
  });
  output.on("write", () => {
    isRefused = false;
  });
  // Before pino's own listener, which would try again for ever and keep the process from ending.
  const giveUp = () => {
    if (isRefused) output.destroy();
  };
  process.prependListener("exit", giveUp).prependListener("beforeExit", giveUp);
  output.on("drop", () => {
    lost += 1;
  });
  output.on("drain", () => {
    if (lost === 0) return;
    const lines = lost;
    lost = 0;
    logger.warn({ lines }, "log.lines_lost");
  });
  return logger;
}

/** Tries to write while the reader of standard output is behind, a tenth of a second apart. */
const TRIES_MAX = 10;

/**
 * Returns standard output, to which a line is written before the call returns: for the last lines of a
 * process. The lines of other logs take a moment. If nobody reads the output for a second, lines are lost.
 */
export function immediateOutput(): DestinationStream {
  let tries = 0;
  return pino.destination({ fd: 1, sync: true, retryEAGAIN: () => ++tries <= TRIES_MAX });
}

function wrap(logger: pino.Logger): Log {
  return {
    info: (event, fields) => logger.info(fields ?? {}, event),
    warn: (event, fields) => logger.warn(fields ?? {}, event),
    error: (event, error, fields) => logger.error({ ...fields, error }, event),
    with: (fields) => wrap(logger.child(fields)),
  };
}

/** A log that writes nothing, for tests and for commands whose output people read. */
export const silentLog: Log = createLog("silent", {});

/** The maximum number of causes logged for one error: an error may, directly or not, be its own cause. */
const CAUSES_MAX = 5;

/** The maximum number of errors logged for an error that stands for several: one for each address, say. */
const ERRORS_MAX = 3;

/**
 * Returns the loggable fields of an error: only those that never carry data. Database drivers attach whole
 * statements to their errors, with payloads and secrets in them.
 */
function describeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return { type: typeof error, message: String(error) };
  const code = "code" in error ? { code: String(error.code) } : {};
  const isDeep = depth === CAUSES_MAX;
  const cause = error.cause === undefined || isDeep ? {} : { cause: describeError(error.cause, depth + 1) };
  const several = "errors" in error && Array.isArray(error.errors) && !isDeep ? error.errors : [];
  const errors = several.slice(0, ERRORS_MAX).map((one: unknown) => describeError(one, depth + 1));
  return {
    ...{ type: error.name, message: error.message, ...code, stack: error.stack, ...cause },
    ...(errors.length === 0 ? {} : { errors }),
  };
}

/** Returns a time as log lines show it, like their own. Null: there is none. */
export function isoTime(epochMs: number | null): string | null {
  return epochMs === null ? null : new Date(epochMs).toISOString();
}
