import { type DestinationStream, pino } from "pino";

/** Writes one wide JSON line per unit of work, such as `delivery.attempted`. */
export type Log = {
  info(event: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(event: string, fields?: Readonly<Record<string, unknown>>): void;
  /** `error` is logged with its stack and causes. */
  error(event: string, error: unknown, fields?: Readonly<Record<string, unknown>>): void;
  /** The same log with fields bound once. */
  with(fields: Readonly<Record<string, unknown>>): Log;
};

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** @param to where lines go; default: standard output */
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
  return wrap(to === undefined ? pino(options) : pino(options, to));
}

function wrap(logger: pino.Logger): Log {
  return {
    info: (event, fields) => logger.info(fields ?? {}, event),
    warn: (event, fields) => logger.warn(fields ?? {}, event),
    error: (event, error, fields) => logger.error({ ...fields, error }, event),
    with: (fields) => wrap(logger.child(fields)),
  };
}

/** For tests and commands that print for people. */
export const silentLog: Log = createLog("silent", {});

/** Causes followed at most; a chain that is longer is a circle. */
const CAUSES_MAX = 5;

/**
 * What is logged of an error: only fields that are known not to carry data. Drivers hang whole statements on theirs,
 * with payloads and secrets written out.
 */
function describeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return { type: typeof error, message: String(error) };
  const code = "code" in error ? { code: String(error.code) } : {};
  const cause =
    error.cause === undefined || depth === CAUSES_MAX ? {} : { cause: describeError(error.cause, depth + 1) };
  return { type: error.name, message: error.message, ...code, stack: error.stack, ...cause };
}
