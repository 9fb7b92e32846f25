import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { accepts, answersOk } from "@posthaste/testkit";
import type { Env, Program } from "./child.ts";

/** The repository's folder. */
export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

const LOCALHOST = "127.0.0.1";

/** Temporal's dev server, with its state in a file. */
export function temporalProgram(options: {
  readonly binary: string;
  readonly env: Env;
  readonly port: number;
  /** Default: without a UI. */
  readonly uiPort?: number;
  readonly databasePath: string;
  /** Dynamic configuration, such as `matching.updateAckInterval`; values are YAML. */
  readonly settings?: Readonly<Record<string, string>>;
}): Program {
  const { binary, env, port, uiPort, databasePath, settings = {} } = options;
  return {
    name: "Temporal",
    command: binary,
    args: [
      ...["server", "start-dev", "--db-filename", databasePath, "--ip", LOCALHOST, "--port", String(port)],
      ...(uiPort === undefined ? ["--headless"] : ["--ui-port", String(uiPort)]),
      // Fair without a sync at every step: the deliveries' rows are the truth, and the reconciler repairs.
      ...["--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=normal"],
      ...["--log-level", "error"],
      ...Object.entries(settings).flatMap(([name, value]) => ["--dynamic-config-value", `${name}=${value}`]),
    ],
    env,
    isReady: () => accepts(port),
  };
}

export type ServicesOptions = {
  /** One API for each; it calls all the workers. */
  readonly apiPorts: readonly number[];
  readonly workerPorts: readonly number[];
  /** What both have in their environment beside what is said here. */
  readonly env: Env;
  /** For Node, before the service's file, such as `--cpu-prof`. */
  readonly nodeArgs?: readonly string[];
};

/** API and worker, as they were built. Each is ready once what it needs is there, too. */
export function servicePrograms(options: ServicesOptions): { apis: Program[]; workers: Program[] } {
  const { apiPorts, workerPorts, env, nodeArgs = [] } = options;
  const program = (service: "api" | "worker", port: number, own: Env): Program => ({
    name: service === "api" ? "API" : service,
    command: process.execPath,
    args: [...nodeArgs, ...serviceArgs(service)],
    env: { ...env, ...own },
    isReady: () => answersOk(`${urlOf(port)}/readyz`),
  });
  return {
    workers: workerPorts.map((port) =>
      program("worker", port, { POSTHASTE_WORKER_HOST: LOCALHOST, POSTHASTE_WORKER_PORT: String(port) }),
    ),
    apis: apiPorts.map((port) =>
      program("api", port, {
        POSTHASTE_HOST: LOCALHOST,
        POSTHASTE_PORT: String(port),
        POSTHASTE_METRICS_PORT: env["POSTHASTE_METRICS_PORT"] || "0",
        POSTHASTE_WORKER_URLS: workerPorts.map(urlOf).join(","),
      }),
    ),
  };
}

/**
 * A service, with the variables and flags that Node reads before a program's first line. The front door knows
 * this for itself: it runs before anything is installed.
 *
 * @returns for Node
 */
export function serviceArgs(service: "api" | "worker"): readonly string[] {
  return [`--env-file=${join(ROOT, "services/start.env")}`, join(ROOT, "services", service, "dist/main.js")];
}

/** Of a process of ours. */
export function urlOf(port: number): string {
  return `http://${LOCALHOST}:${port}`;
}
