/** The signals with which a user, a supervisor or a closing terminal asks a command to end. */
export const STOP_SIGNALS = /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"]);

/** A stop signal ended the command; it needs no error message. */
export class Stopped extends Error {
  /** @param {NodeJS.Signals} signal */
  constructor(signal) {
    super(`stopped by ${signal}`);
    this.name = "Stopped";
    this.code = codeOfSignal(signal);
  }
}

/**
 * Returns the exit code that a shell reports for a process ended by a signal: 128 plus the signal's number.
 *
 * @param {NodeJS.Signals | null} signal
 */
export function codeOfSignal(signal) {
  const numbers = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };
  return 128 + (numbers[/** @type {keyof typeof numbers} */ (signal)] ?? 0);
}
