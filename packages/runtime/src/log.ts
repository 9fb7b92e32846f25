import { type DestinationStream, pino } from "pino";
import { StartError } from "./config.ts";
import { createLogOutput, type LogOutput } from "./log-output.ts";

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
  const logger = pino(options, to ?? standardOutput());
  if (to === undefined) tellOfLost = (lines) => logger.warn({ lines }, "log.lines_lost");
  return wrap(logger);
}

let output: LogOutput | undefined;
let onLost = () => {};
let tellOfLost: (lines: number) => void = () => {};

/** Returns the output of every log of this process that has no other. */
function standardOutput(): LogOutput {
  if (output !== undefined) return output;
  // What Node or a library writes by itself, such as a warning, is not worth the process either. Once the
  // streams are asked for, a pipe does not block this thread.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  output = createLogOutput(1, { onLost: () => onLost(), onRoom: (lines) => tellOfLost(lines) });
  process.on("exit", output.finish);
  return output;
}

/** Calls a function with each line that is lost from now on: its output was full for too long. */
export function countLostLines(count: () => void): void {
  onLost = count;
}

/** Writes what waits for standard output before it returns: for a process that ends without `exit`. */
export function finishLog(): void {
  output?.finish();
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
export const silentLog: Log = createLog("silent", {}, { write: () => {} });

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
  // Its message alone says what to do.
  if (error instanceof StartError) return { type: error.name, message: error.message };
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
