import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Complaint } from "@posthaste/runtime/terminal";
import {
  type Child,
  createChild,
  type Env,
  type Program,
  ROOT,
  servicePrograms,
  temporalProgram,
} from "@posthaste/stack";
import { freePort, poll } from "@posthaste/testkit";
import type { DataFolder } from "./data-folder.ts";

/** The processes of one run of `up`. */
export type Stack = {
  /** Starts Temporal's dev server with its state in the data folder. Resolves with its address. */
  startTemporal(options: { binary: string; port: number; uiPort: number }): Promise<string>;
  /** Starts the built API and worker. Resolves, once both are ready, with where their metrics are. */
  startServices(options: ServicesOptions): Promise<{ apiMetrics: string; workerMetrics: string }>;
  /** Rejects with a Complaint, which has the end of the log, when a process ends before `stop` is called. */
  readonly death: Promise<never>;
  /** Stops everything: first the services, then Temporal. */
  stop(): Promise<void>;
  /** Kills everything at once. */
  kill(): void;
};

type ServicesOptions = {
  readonly port: number;
  readonly databaseUrl: string;
  /** The value of POSTHASTE_SECRET_KEYS. */
  readonly secretKeys: string;
  /** The address of the Temporal server that was started; undefined: the environment's settings apply. */
  readonly temporalAddress: string | undefined;
  /** The UI of the Temporal server that was started; undefined: the environment's setting applies. */
  readonly temporalUiUrl: string | undefined;
};

const READY_WITHIN_MS = 90_000;
const TEMPORAL_PATIENCE_MS = 15_000;
const LOG_LINES_SHOWN = 15;
const LOCALHOST = "127.0.0.1";
const LOOPBACK = "127.0.0.0/8,::1/128";

/**
 * Returns the networks that deliveries may reach besides the public internet: this machine, because a user's
 * first receiver usually runs on it, or what the user chose. Empty is a choice, too: none.
 */
export function egressAllow(env: Env): string {
  return env["POSTHASTE_EGRESS_ALLOW"] ?? LOOPBACK;
}

export function createStack(options: { folder: DataFolder; env: Env; signal: AbortSignal }): Stack {
  const { folder, env, signal } = options;
  const children: Child[] = [];
  let stopping = false;
  let die: (reason: Complaint) => void = () => {};
  const death = new Promise<never>((_resolve, reject) => {
    die = reject;
  });
  // Prevents an unhandled rejection while nobody awaits it.
  death.catch(() => {});

  const start = async (program: Program) => {
    signal.throwIfAborted();
    const logPath = join(folder.dir, "logs", `${program.name.toLowerCase()}.log`);
    const tethered = program.command === process.execPath;
    const child = createChild({ ...program, cwd: ROOT, logPath, detached: true, tethered });
    const pid = await child.launch();
    children.push(child);
    void child.ended().then((how) => {
      if (!stopping) die(complaintOf(child, how));
    });
    await folder.note(child.name, pid);
    return child;
  };
  const untilReady = (child: Child) => becomeReady(child, death, signal);

  return {
    death,
    async startTemporal(where) {
      await untilReady(
        await start(temporalProgram({ ...where, env, databasePath: join(folder.dir, "temporal.db") })),
      );
      return `${LOCALHOST}:${where.port}`;
    },
    async startServices({ port, databaseUrl, secretKeys, temporalAddress, temporalUiUrl }) {
      const workerPort = await freePort();
      const metricsPort = Number(env["POSTHASTE_METRICS_PORT"]) || (await freePort());
      const metricsHost = env["POSTHASTE_METRICS_HOST"] || LOCALHOST;
      const { apis, workers } = servicePrograms({
        apiPorts: [port],
        workerPorts: [workerPort],
        env: {
          ...env,
          POSTHASTE_METRICS_PORT: String(metricsPort),
          ...(temporalAddress && temporalEnv(env, folder.dir, temporalAddress)),
          DATABASE_URL: databaseUrl,
          POSTHASTE_SECRET_KEYS: secretKeys,
          POSTHASTE_EGRESS_ALLOW: egressAllow(env),
          // A new user has no receiver yet.
          POSTHASTE_INBOX: env["POSTHASTE_INBOX"] || "on",
          ...(temporalUiUrl !== undefined && { POSTHASTE_TEMPORAL_UI_URL: temporalUiUrl }),
        },
      });
      const services: Child[] = [];
      for (const program of [...workers, ...apis]) services.push(await start(program));
      for (const child of services.reverse()) await untilReady(child);
      return {
        apiMetrics: `http://${metricsHost}:${metricsPort}/metrics`,
        workerMetrics: `http://${LOCALHOST}:${workerPort}/metrics`,
      };
    },
    async stop() {
      stopping = true;
      const [temporal, services] = [
        children.filter(isTemporal),
        children.filter((child) => !isTemporal(child)),
      ];
      await Promise.all(services.map((child) => child.stop()));
      // Temporal stops last, because the worker needs it to drain.
      await Promise.all(temporal.map((child) => child.stop(TEMPORAL_PATIENCE_MS)));
    },
    kill() {
      for (const child of children) void child.kill();
    },
  };
}

async function becomeReady(child: Child, death: Promise<never>, signal: AbortSignal): Promise<void> {
  const done = new AbortController();
  const stopPolling = AbortSignal.any([signal, done.signal]);
  const ready = poll(child.isReady, { withinMs: READY_WITHIN_MS, signal: stopPolling });
  if (await Promise.race([ready, death]).finally(() => done.abort())) return;
  throw complaintOf(child, `was not ready within ${READY_WITHIN_MS / 1000} s`);
}

function isTemporal(child: Child): boolean {
  return child.name === "Temporal";
}

/** Creates a complaint that shows the last lines of the process's log. */
function complaintOf(child: Child, what: string): Complaint {
  return new Complaint(
    `the ${child.name} ${what}; the end of its log (${child.logPath}) is above`,
    child.log().trimEnd().split("\n").slice(-LOG_LINES_SHOWN).join("\n"),
  );
}

/**
 * Points the SDK to the Temporal server that `up` started. Clears the user's other TEMPORAL_… variables, and
 * replaces the user's profile file with one of its own, because an empty file would make the SDK throw.
 */
function temporalEnv(env: Env, dataDir: string, address: string): Env {
  const profile = join(dataDir, "temporal-profile.toml");
  writeFileSync(profile, `[profile.default]\naddress = "${address}"\nnamespace = "default"\n`);
  const others = Object.keys(env).filter((name) => name.startsWith("TEMPORAL_"));
  return {
    ...Object.fromEntries(others.map((name) => [name, undefined])),
    TEMPORAL_CONFIG_FILE: profile,
    TEMPORAL_ADDRESS: address,
    TEMPORAL_NAMESPACE: "default",
  };
}
