export {
  ConfigError,
  httpUrl,
  integer,
  oneOf,
  parsed,
  portProblem,
  readConfig,
  type Setting,
  StartError,
  text,
  urls,
  type Values,
} from "./config.ts";
export { createLog, LOG_LEVELS, type Log, type LogLevel, silentLog } from "./log.ts";
export { type Running, runService, type Service } from "./run-service.ts";
