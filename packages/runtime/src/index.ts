export { asOne } from "./as-one.ts";
export {
  ConfigError,
  httpUrl,
  integer,
  type ListenPlace,
  listenProblem,
  oneOf,
  origins,
  parsed,
  readConfig,
  type Setting,
  StartError,
  text,
  urls,
  type Values,
} from "./config.ts";
export { createLog, isoTime, LOG_LEVELS, type Log, type LogLevel, silentLog } from "./log.ts";
export { makeFolder } from "./make-folder.ts";
export { createMetrics, type Metrics, measureClock, measureLog } from "./metrics.ts";
export { pemProblem } from "./pem.ts";
export { type Readiness, readinessOf, type WhyAway } from "./readiness.ts";
export { type Running, runService, type Service } from "./run-service.ts";
export { type OperatorServer, serveOperators, urlOf } from "./serve-operators.ts";
export { createStopDeadline, type StopDeadline } from "./stop-deadline.ts";
export {
  idsIn,
  noTracer,
  type Span,
  type SpanIds,
  startTracing,
  type Traceparent,
  type Tracer,
  type Tracing,
} from "./tracing.ts";
export { unknownSettings } from "./unknown-settings.ts";
