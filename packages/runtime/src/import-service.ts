import { StartError } from "./config.ts";
import { createLog } from "./log.ts";
import { logStrayOutput } from "./stray-output.ts";
import { importProblem } from "./supported-node.ts";

/**
 * Imports a service's modules, which start it. From here on, all that the process prints is a line of the
 * log. If a module cannot be loaded, the last line says why (`process.not_started`), and the process exits
 * with 1.
 */
export async function importService(name: string, load: () => Promise<unknown>): Promise<void> {
  logStrayOutput(name);
  try {
    await load();
  } catch (error) {
    const problem = importProblem(error);
    const shown = problem === undefined ? error : new StartError(problem, { cause: error });
    createLog("error", { service: name }).error("process.not_started", shown);
    process.exit(1);
  }
}
