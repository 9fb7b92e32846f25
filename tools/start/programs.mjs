import { existsSync } from "node:fs";
import { join } from "node:path";
import { isOperatorMissing, operatorArgs } from "./operator.mjs";

/**
 * @typedef {object} Program what a command of the front door runs
 * @property {readonly string[]} args for Node
 * @property {boolean} installs whether dependencies are installed anew where they are not what the lock file says
 * @property {boolean} [operates] whether it is one of services/operator, which is built first where it is not
 * @property {string} [missing] why it cannot be run, for a person
 */

/** They run in production as well, where nobody wants an install as a side effect. */
const OPERATORS_COMMANDS = new Set(["migrate", "token", "reseal"]);

/**
 * @param {string} root
 * @param {string} command
 * @returns {Program | undefined} undefined where there is no such command
 */
export function programOf(root, command) {
  const service = /^start:(api|worker)$/.exec(command)?.[1];
  if (service !== undefined) {
    const args = serviceArgs(root, service);
    const isBuilt = args.every((arg) => arg.startsWith("-") || existsSync(arg));
    return {
      args,
      installs: false,
      ...(!isBuilt && { missing: `services/${service} is not built: npm run build` }),
    };
  }
  if (OPERATORS_COMMANDS.has(command)) {
    return {
      args: operatorArgs(root, command),
      installs: false,
      operates: true,
      ...(isOperatorMissing(root) && { missing: "services/operator is not built: npm run build" }),
    };
  }
  const path = join(root, "tools/src", `${command}.ts`);
  if (!/^[a-z]+$/.test(command) || !existsSync(path)) return undefined;
  const flags = ["--disable-warning=ExperimentalWarning", "--conditions=source", "--import", "tsx"];
  return { args: [...flags, path], installs: true };
}

/**
 * API or worker, with the variables and flags that Node reads before a program's first line. What the
 * environment sets already counts.
 *
 * @param {string} root
 * @param {string} service `api` or `worker`
 * @returns {readonly string[]} for Node
 */
function serviceArgs(root, service) {
  return [`--env-file=${join(root, "services/start.env")}`, join(root, "services", service, "dist/main.js")];
}
