/** How a person, a supervisor or a terminal that closes asks a command to end. */
export const STOP_SIGNALS = /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"]);

/** Somebody asked for the end. There is nothing to explain. */
export class Stopped extends Error {
  /** @param {NodeJS.Signals} signal */
  constructor(signal) {
    super(`stopped by ${signal}`);
    this.name = "Stopped";
    this.code = codeOfSignal(signal);
  }
}

/**
 * What a shell makes of the end by a signal.
 *
 * @param {NodeJS.Signals | null} signal
 */
export function codeOfSignal(signal) {
  const numbers = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };
  return 128 + (numbers[/** @type {keyof typeof numbers} */ (signal)] ?? 0);
}
