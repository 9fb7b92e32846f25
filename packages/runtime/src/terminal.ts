import { type ParseArgsConfig, parseArgs } from "node:util";
import { ConfigError, StartError } from "./config.ts";
import { unknownSettings } from "./unknown-settings.ts";

export { createEchoes } from "./echo.ts";

/**
 * An error that the user can fix. Its message is one line that says how. It is shown without a stack trace.
 */
export class Complaint extends Error {
  override readonly name = "Complaint";
  /** Further text to show before the message, such as the last lines of a log. */
  readonly details: string | undefined;

  constructor(message: string, details?: string) {
    super(message);
    this.details = details;
  }
}

/** Thrown to end a command that the user has stopped. */
export class Stopped extends Error {
  override readonly name = "Stopped";
}

/**
 * Refuses an environment with a mistyped setting, before a command does anything else.
 *
 * @throws ConfigError that lists them
 */
export function refuseUnknownSettings(env: Readonly<Record<string, string | undefined>>): void {
  const problems = unknownSettings(env);
  if (problems.length > 0) throw new ConfigError(problems);
}

/** Warns of a mistyped setting. A command that reads few of them is of use without the others. */
export function warnOfUnknownSettings(env: Readonly<Record<string, string | undefined>>): void {
  for (const problem of unknownSettings(env)) console.error(`posthaste: warning: ${problem}`);
}

/**
 * Parses the command line of an npm script with `parseArgs`.
 *
 * @param command the script's name, as in `npm run NAME`
 * @throws Complaint that refers to the command's `--help`
 */
export function parseCommandLine<T extends ParseArgsConfig>(command: string, config: T) {
  try {
    return parseArgs(config);
  } catch (error) {
    // The first sentence of Node's message is the cause. The rest is advice for programmers.
    const reason = error instanceof Error ? (error.message.split(". ")[0] ?? "") : "";
    throw new Complaint(`${reason}: see npm run ${command} -- --help`);
  }
}

/**
 * Reads the command line of an npm script that takes no arguments. `--help` prints what it does.
 *
 * @returns true: help was asked for, and nothing else is to be done
 * @throws Complaint if there is an argument
 */
export function askedForHelp(command: string, about: string, [argument]: readonly string[]): boolean {
  if (argument === undefined) return false;
  if (argument !== "--help" && argument !== "-h") {
    throw new Complaint(`npm run ${command} takes no arguments, but got "${argument}"`);
  }
  console.log(`npm run ${command}\n\n${about}`);
  return true;
}

/**
 * Parses the value of a flag as a whole number.
 *
 * @returns the number; undefined without the flag
 * @throws Complaint if it is not a whole number from `min` to `max`, both included
 */
export function wholeNumber(
  flag: string,
  text: string | undefined,
  { min, max }: { min: number; max: number },
): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw new Complaint(`${flag} is "${text}": give a whole number from ${min} to ${max}`);
}

/** The exit code that a shell reports after Ctrl-C (SIGINT). */
const STOPPED_CODE = 130;

/**
 * Runs a command's main function, then exits: with its exit code, with 1 after an error, or with 130 after
 * {@link Stopped}. The exit is explicit, since timers and connections of imported modules may never end. It
 * waits until the output has been read.
 */
export async function runMain(main: () => Promise<number>): Promise<void> {
  let lost: NodeJS.ErrnoException | undefined;
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error) => {
      // Whoever closes a pipe, as `head` does, wants no more: that is no failure, and the work goes on.
      if (!("code" in error && error.code === "EPIPE")) lost ??= error;
    });
  }
  const code = await codeOf(main);
  // A reader may take its time, as `less` does. A signal ends the wait.
  for (const signal of ["SIGINT", "SIGTERM"]) process.removeAllListeners(signal);
  await written(process.stdout);
  if (lost !== undefined) console.error(`posthaste: the output could not be written (${lost.code})`);
  await written(process.stderr);
  process.exit(lost === undefined ? code : 1);
}

/** Resolves once all that was written has been handed on or has failed. An exit would drop the rest. */
async function written(stream: NodeJS.WriteStream): Promise<void> {
  await new Promise<void>((resolve) => stream.write("", () => resolve()));
}

async function codeOf(main: () => Promise<number>): Promise<number> {
  try {
    return await main();
  } catch (error) {
    if (error instanceof Stopped) return STOPPED_CODE;
    if (error instanceof Complaint || error instanceof StartError) {
      if (error instanceof Complaint && error.details !== undefined) console.error(error.details);
      console.error(`posthaste: ${error.message}`);
    } else {
      console.error(error);
    }
    return 1;
  }
}
