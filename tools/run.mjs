// The front door of every `npm run` command: plain JavaScript without dependencies, since it runs before they are
// installed. It sees to Node and the dependencies, then hands over to tools/src/COMMAND.ts.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { handOver } from "./start/hand-over.mjs";
import { InstallError, install, isInstalled } from "./start/install.mjs";
import { nodeProblem } from "./start/node-version.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [command = "", ...args] = process.argv.slice(2);

/** They run in production as well, where nobody wants an install as a side effect. */
const NEVER_REINSTALL = new Set(["migrate", "token", "reseal"]);

process.exitCode = await main();

async function main() {
  const problem = nodeProblem(process.versions.node);
  if (problem !== undefined) return complain(problem);
  if (!/^[a-z]+$/.test(command) || !existsSync(join(root, "tools/src", `${command}.ts`))) {
    return complain(`there is no command "${command}"; see the scripts in package.json`);
  }
  const wanted = NEVER_REINSTALL.has(command) ? existsSync(join(root, "node_modules")) : isInstalled(root);
  if (!wanted) {
    try {
      await install(root);
    } catch (error) {
      if (error instanceof InstallError) return complain(error.message);
      throw error;
    }
  }
  return await handOver(root, command, args);
}

/** @param {string} line */
function complain(line) {
  console.error(`posthaste: ${line}`);
  return 1;
}
