export { ConfigError, integer, oneOf, readConfig, type Setting, text, urls } from "./config.ts";
export { createLog, LOG_LEVELS, type Log, type LogLevel, silentLog } from "./log.ts";
export { type Running, runService } from "./run-service.ts";
