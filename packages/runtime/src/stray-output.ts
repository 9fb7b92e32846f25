import { stripVTControlCharacters } from "node:util";
import { createLog, type Log } from "./log.ts";

/** Characters of a printed text that its line has. What is longer is a dump, whose beginning says as much. */
const TEXT_MAX = 8_192;

/**
 * Makes a line of the log out of everything that this process would otherwise write around it: what a library
 * prints, Node's warnings, the error that ends the process. So every line on standard output is one JSON
 * object, and standard error stays empty. These lines do not depend on the log's level: each says that
 * something is not as it should be.
 *
 * Out of reach is what native code writes by itself: V8 without memory, Node about `NODE_EXTRA_CA_CERTS`.
 *
 * Call it before the modules of the service are imported: their imports may warn.
 *
 * @param service the field `service` of the lines
 */
export function logStrayOutput(service: string): void {
  const log = createLog("info", { service });
  for (const stream of ["stdout", "stderr"] as const) process[stream].write = printTo(log, stream);
  logWarnings(log);
  process.on("uncaughtException", (error) => {
    log.error("process.crashed", error);
    process.exit(1);
  });
}

/** Logs the warnings that Node would print: those that its flags do not turn off. */
function logWarnings(log: Log): void {
  // With `--no-warnings`, Node has no listener.
  if (process.listenerCount("warning") === 0) return;
  const flags = [...process.execArgv, process.env["NODE_OPTIONS"]].join(" ");
  const isOff = new Set([...flags.matchAll(/--disable-warning[= ]"?([\w-]+)/g)].map(([, name]) => name));
  // Node's own listener writes to standard error, past the streams.
  process.removeAllListeners("warning");
  process.on("warning", (warning) => {
    const { name, message } = warning;
    const code = "code" in warning ? String(warning.code) : undefined;
    if (!isOff.has(name) && !isOff.has(code)) log.warn("process.warning", { name, code, message });
  });
}

/** The log writes to the descriptor, not to the stream, so its own lines do not come here. */
function printTo(log: Log, stream: "stdout" | "stderr") {
  return (chunk: string | Uint8Array, ...more: readonly unknown[]): boolean => {
    const whole = typeof chunk === "string" ? chunk : Buffer.from(chunk).toString();
    const text = stripVTControlCharacters(whole).trim().slice(0, TEXT_MAX);
    if (text !== "") log.warn("process.printed", { stream, text });
    const onWritten = more.at(-1);
    if (typeof onWritten === "function") process.nextTick(() => onWritten());
    return true;
  };
}
