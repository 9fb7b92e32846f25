// The front door of every `npm run` command. It provides a supported Node and the dependencies, then hands
// over to tools/src/COMMAND.ts or to a built service. It runs before anything is installed, so it is plain
// JavaScript without dependencies and runs on old versions of Node.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { fetchNode } from "./start/fetch-node.mjs";
import { handOver } from "./start/hand-over.mjs";
import { install, isInstalled, isInstalling } from "./start/install.mjs";
import { isSupported } from "./start/node-version.mjs";
import { buildOperator, isOperatorBuilt, whyNotPrepare } from "./start/operator.mjs";
import { programOf } from "./start/programs.mjs";
import { StartError } from "./start/start-error.mjs";
import { Stopped } from "./start/stopped.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [command = "", ...args] = process.argv.slice(2);

process.exitCode = await main().catch((error) => {
  if (error instanceof StartError) return complain(error.message);
  if (error instanceof Stopped) return error.code;
  throw error;
});

async function main() {
  const program = programOf(root, command);
  if (program === undefined) {
    return complain(`there is no command "${command}"; see the scripts in package.json`);
  }
  if (program.missing !== undefined) return complain(program.missing);
  // A command that never builds works in such a folder.
  if (program.installs && /[#?]/.test(root))
    return complain(`${root}: Vite cannot build in a folder whose path contains # or ?: use another folder`);
  const isNodeFit = isSupported(process.versions.node);
  const isBuilt = !program.operates || isOperatorBuilt(root);
  const isThere = program.installs
    ? isInstalled(root)
    : existsSync(join(root, "node_modules")) && (isBuilt || !isInstalling(root));
  if (program.operates && !(isNodeFit && isThere && isBuilt)) {
    const why = whyNotPrepare(args);
    if (why !== undefined) return complain(why);
  }
  const node = isNodeFit ? process.execPath : await fetchNode(root);
  if (!isThere) await install(root, { node });
  if (!isBuilt) await buildOperator(root, { node });
  return await handOver(node, [...program.args, ...args], { cwd: root, name: command });
}

/** @param {string} line */
function complain(line) {
  console.error(`posthaste: ${line}`);
  return 1;
}
