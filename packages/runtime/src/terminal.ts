import { type ParseArgsConfig, parseArgs } from "node:util";

/**
 * Something a person can put right; the message is one line that names the way out. Shown without a stack.
 */
export class Complaint extends Error {
  override readonly name = "Complaint";
  /** Longer text to show before the message, such as the last lines of a log. */
  readonly details: string | undefined;

  constructor(message: string, details?: string) {
    super(message);
    this.details = details;
  }
}

/** Why the work was given up: somebody asked for it. */
export class Stopped extends Error {
  override readonly name = "Stopped";
}

/**
 * The flags and words behind a command.
 *
 * @param command as after `npm run`
 * @throws Complaint that points to the command's help
 */
export function parseCommandLine<T extends ParseArgsConfig>(command: string, config: T) {
  try {
    return parseArgs(config);
  } catch (error) {
    // Of what Node says, the first sentence is for a person.
    const reason = error instanceof Error ? (error.message.split(". ")[0] ?? "") : "";
    throw new Complaint(`${reason}: see npm run ${command} -- --help`);
  }
}

/**
 * A flag's value; undefined where the flag was not given.
 *
 * @throws Complaint
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

/** What a shell makes of the end by a Ctrl-C (SIGINT). */
const STOPPED_CODE = 130;

/**
 * Runs a command's main function and makes its end the process's: the exit code, the complaint and 1, or 130
 * where somebody asked for the end. What it imported may keep timers and connections, which would keep a
 * process that has nothing more to do.
 */
export async function runMain(main: () => Promise<number>): Promise<void> {
  process.exit(await codeOf(main));
}

async function codeOf(main: () => Promise<number>): Promise<number> {
  try {
    return await main();
  } catch (error) {
    if (error instanceof Stopped) return STOPPED_CODE;
    if (error instanceof Complaint) {
      if (error.details !== undefined) console.error(error.details);
      console.error(`posthaste: ${error.message}`);
    } else {
      console.error(error);
    }
    return 1;
  }
}
