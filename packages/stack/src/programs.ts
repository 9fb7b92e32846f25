import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { settingArgs, TEMPORAL_SETTINGS } from "@posthaste/temporal-servers";
import { accepts, answersOk } from "@posthaste/testkit";
import type { Env, Program } from "./child.ts";

/** The repository's folder. */
export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

const LOCALHOST = "127.0.0.1";

/** Returns Temporal's development server, which keeps its state in a file. */
export function temporalProgram(options: {
  readonly binary: string;
  readonly env: Env;
  readonly port: number;
  /** The port of the UI. Default: no UI. */
  readonly uiPort?: number;
  readonly databasePath: string;
  /**
   * Dynamic configuration, such as `matching.updateAckInterval`, beside or instead of
   * {@link TEMPORAL_SETTINGS}; values are YAML.
   */
  readonly settings?: Readonly<Record<string, string>>;
}): Program {
  const { binary, env, port, uiPort, databasePath, settings = {} } = options;
  return {
    name: "Temporal",
    command: binary,
    args: [
      ...["server", "start-dev", "--db-filename", databasePath, "--ip", LOCALHOST, "--port", String(port)],
      ...(uiPort === undefined ? ["--headless"] : ["--ui-port", String(uiPort)]),
      // No sync at every commit: if workflows are lost, the reconciler restores them from the deliveries.
      ...["--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=normal"],
      ...["--log-level", "error"],
      ...settingArgs({ ...TEMPORAL_SETTINGS, ...settings }),
    ],
    env,
    isReady: () => accepts(port),
  };
}

export type ServicesOptions = {
  /** Each port gets an API, which calls all workers. */
  readonly apiPorts: readonly number[];
  readonly workerPorts: readonly number[];
  /** The environment of API and worker, apart from hosts, ports and worker URLs. */
  readonly env: Env;
  /** Arguments for Node, such as `--cpu-prof`. */
  readonly nodeArgs?: readonly string[];
  /** See {@link MachinesAhead}. */
  readonly machinesAheadMs?: MachinesAhead;
};

/**
 * How far the clock of each process's machine is ahead of the real time, in milliseconds; negative: behind.
 * Default: 0.
 */
export type MachinesAhead = { readonly apis?: readonly number[]; readonly workers?: readonly number[] };

/** Returns the built APIs and workers. Each is ready once its dependencies are available, too. */
export function servicePrograms(options: ServicesOptions): { apis: Program[]; workers: Program[] } {
  const { apiPorts, workerPorts, env, nodeArgs = [], machinesAheadMs: ahead = {} } = options;
  const program = (
    service: "api" | "worker",
    port: number,
    aheadMs: number | undefined,
    settings: Env,
  ): Program => ({
    name: service === "api" ? "API" : service,
    command: process.execPath,
    args: [...nodeArgs, ...clockArgs(aheadMs ?? 0), ...serviceArgs(service)],
    env: { ...env, ...settings },
    isReady: () => answersOk(`${urlOf(port)}/readyz`),
  });
  return {
    workers: workerPorts.map((port, i) =>
      program("worker", port, ahead.workers?.[i], {
        POSTHASTE_WORKER_HOST: LOCALHOST,
        POSTHASTE_WORKER_PORT: String(port),
      }),
    ),
    apis: apiPorts.map((port, i) =>
      program("api", port, ahead.apis?.[i], {
        POSTHASTE_HOST: LOCALHOST,
        POSTHASTE_PORT: String(port),
        POSTHASTE_METRICS_PORT: env["POSTHASTE_METRICS_PORT"] || "0",
        POSTHASTE_WORKER_URLS: workerPorts.map(urlOf).join(","),
      }),
    ),
  };
}

/** Returns the arguments for a Node whose `Date` is ahead of the machine's clock. */
function clockArgs(aheadMs: number): readonly string[] {
  if (aheadMs === 0) return [];
  const code = `
    const Real = Date;
    globalThis.Date = class Date extends Real {
      constructor(...given) { given.length === 0 ? super(Real.now() + ${aheadMs}) : super(...given); }
      static now() { return Real.now() + ${aheadMs}; }
    };`;
  return ["--import", `data:text/javascript,${encodeURIComponent(code)}`];
}

/**
 * Returns Node's arguments for a service, with the files of variables that Node reads before the program
 * starts. `tools/start/` has a copy of this, since it runs before anything is installed.
 */
export function serviceArgs(service: "api" | "worker"): readonly string[] {
  const files = service === "worker" ? ["start.env", "worker/start.env"] : ["start.env"];
  const services = join(ROOT, "services");
  return [
    ...files.map((file) => `--env-file=${join(services, file)}`),
    join(services, service, "dist/main.js"),
  ];
}

/** Returns the URL of a process on this machine. */
export function urlOf(port: number): string {
  return `http://${LOCALHOST}:${port}`;
}
