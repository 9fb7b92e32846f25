import { existsSync } from "node:fs";
import { join } from "node:path";
import { isOperatorMissing, operatorArgs } from "./operator.mjs";

/**
 * @typedef {object} Program the program that a command runs
 * @property {readonly string[]} args for Node
 * @property {boolean} installs true: dependencies that differ from the lock file are installed first
 * @property {boolean} [operates] true: a command of services/operator, which is built first if necessary
 * @property {string} [missing] why the command cannot run, as a message for the user
 */

/** These commands also run in production, so they do not reinstall dependencies as a side effect. */
const OPERATORS_COMMANDS = new Set(["migrate", "token", "installation", "reseal"]);

/**
 * Returns the program that a command runs.
 *
 * @param {string} root
 * @param {string} command
 * @returns {Program | undefined} undefined if there is no such command
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
 * Returns Node's arguments for the API or the worker. services/start.env, and for the worker
 * services/worker/start.env, hold the variables and flags that Node reads at its start; a variable that is
 * already set in the environment takes precedence.
 *
 * @param {string} root
 * @param {string} service `api` or `worker`
 * @returns {readonly string[]}
 */
function serviceArgs(root, service) {
  const files = service === "worker" ? ["start.env", "worker/start.env"] : ["start.env"];
  const services = join(root, "services");
  return [
    ...files.map((file) => `--env-file=${join(services, file)}`),
    join(services, service, "dist/main.js"),
  ];
}
