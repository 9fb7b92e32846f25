/** Something a person can put right; the message is one line that names the way out. Shown without a stack. */
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

/** What a shell makes of the end by a Ctrl-C (SIGINT). */
const STOPPED_CODE = 130;

/**
 * Runs a command's main function and makes its end the process's: the exit code, the complaint and 1, or 130 where
 * somebody asked for the end. What it imported may keep timers and connections, which would keep a process that has
 * nothing more to do.
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
