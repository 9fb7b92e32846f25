import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Complaint } from "@posthaste/runtime/terminal";
import { serviceArgs } from "../../start/programs.mjs";
import { type Child, lastLogLines, startChild } from "../processes/child.ts";
import { answersOk, poll } from "../processes/poll.ts";
import { accepts, freePort } from "../processes/ports.ts";
import type { DataFolder } from "./data-folder.ts";

/** The processes of one `up`. */
export type Stack = {
  /** Starts Temporal's dev server with its state in the data folder. Resolves with its address. */
  startTemporal(options: { binary: string; port: number; uiPort: number }): Promise<string>;
  /** Starts API and worker from their builds, and waits until both are ready. */
  startServices(options: ServicesOptions): Promise<void>;
  /** Rejects, with the end of its log, as soon as one of them ends that was not asked to. */
  readonly death: Promise<never>;
  /** Stops everything; what must be asked to first comes first. */
  stop(): Promise<void>;
  /** Ends everything at once. */
  kill(): void;
};

export type ServicesOptions = {
  readonly port: number;
  readonly databaseUrl: string;
  /** What secrets are sealed with. */
  readonly secretKeys: string;
  /** Undefined: what the environment says. */
  readonly temporalAddress: string | undefined;
  /** Where our own Temporal's UI is; undefined: the environment says. */
  readonly temporalUiUrl: string | undefined;
};

const READY_WITHIN_MS = 90_000;
/** The worker finishes its attempts, which take up to 40 s. */
const SERVICE_PATIENCE_MS = 60_000;
const TEMPORAL_PATIENCE_MS = 15_000;
const LOG_LINES_SHOWN = 15;
/** What a person tries out runs on the same machine. */
export const LOOPBACK = "127.0.0.0/8,::1/128";

export function createStack(options: {
  root: string;
  folder: DataFolder;
  env: Readonly<Record<string, string | undefined>>;
  signal: AbortSignal;
}): Stack {
  const { root, folder, env, signal } = options;
  const children: Child[] = [];
  let stopping = false;
  let die: (reason: Complaint) => void = () => {};
  const death = new Promise<never>((_resolve, reject) => {
    die = reject;
  });
  // Whoever awaits it is told; until somebody does, it is no unhandled rejection.
  death.catch(() => {});

  const start = async (
    name: string,
    command: string,
    args: readonly string[],
    own: Readonly<Record<string, string | undefined>>,
  ) => {
    signal.throwIfAborted();
    const child = await startChild({
      name,
      command,
      args,
      cwd: root,
      env: { ...env, ...own },
      logPath: join(folder.dir, "logs", `${name.toLowerCase()}.log`),
      tether: command === process.execPath,
    });
    children.push(child);
    void child.ended.then((how) => {
      if (!stopping) die(deathOf(child, how));
    });
    await folder.note(name, child.pid);
    return child;
  };
  const untilReady = async (child: Child, isReady: () => Promise<boolean>) => {
    const over = new AbortController();
    const asking = AbortSignal.any([signal, over.signal]);
    const ready = poll(isReady, { withinMs: READY_WITHIN_MS, signal: asking });
    if (await Promise.race([ready, death]).finally(() => over.abort())) return;
    throw new Complaint(
      `the ${child.name} was not ready within ${READY_WITHIN_MS / 1000} s; the end of its log (${child.logPath}) is above`,
      lastLogLines(child.logPath, LOG_LINES_SHOWN),
    );
  };

  return {
    death,
    async startTemporal({ binary, port, uiPort }) {
      const child = await start(
        "Temporal",
        binary,
        [
          ...["server", "start-dev", "--db-filename", join(folder.dir, "temporal.db")],
          ...["--ip", "127.0.0.1", "--port", String(port), "--ui-port", String(uiPort)],
          // Fair without a sync at every step: the deliveries' rows are the truth, and the reconciler repairs.
          ...["--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=normal"],
          ...["--log-level", "error"],
        ],
        {},
      );
      await untilReady(child, () => accepts(port));
      return `127.0.0.1:${port}`;
    },
    async startServices({ port, databaseUrl, secretKeys, temporalAddress, temporalUiUrl }) {
      const workerPort = await freePort();
      const workerUrl = `http://127.0.0.1:${workerPort}`;
      const shared = {
        DATABASE_URL: databaseUrl,
        POSTHASTE_SECRET_KEYS: secretKeys,
        POSTHASTE_EGRESS_ALLOW: env["POSTHASTE_EGRESS_ALLOW"] || LOOPBACK,
        ...(temporalAddress && temporalEnv(env, folder.dir, temporalAddress)),
      };
      const worker = await start("worker", process.execPath, serviceArgs(root, "worker"), {
        ...shared,
        POSTHASTE_WORKER_HOST: "127.0.0.1",
        POSTHASTE_WORKER_PORT: String(workerPort),
      });
      const api = await start("API", process.execPath, serviceArgs(root, "api"), {
        ...shared,
        POSTHASTE_HOST: "127.0.0.1",
        POSTHASTE_PORT: String(port),
        POSTHASTE_METRICS_PORT: env["POSTHASTE_METRICS_PORT"] || "0",
        // A newcomer has no receiver yet.
        POSTHASTE_INBOX: env["POSTHASTE_INBOX"] || "on",
        ...(temporalUiUrl !== undefined && { POSTHASTE_TEMPORAL_UI_URL: temporalUiUrl }),
        POSTHASTE_WORKER_URLS: workerUrl,
      });
      await untilReady(api, () => answersOk(`http://127.0.0.1:${port}/readyz`));
      await untilReady(worker, () => answersOk(`${workerUrl}/readyz`));
    },
    async stop() {
      stopping = true;
      const [temporal, services] = [
        children.filter(isTemporal),
        children.filter((child) => !isTemporal(child)),
      ];
      await Promise.all(services.map((child) => child.stop(SERVICE_PATIENCE_MS)));
      // Last: the worker drains through it.
      await Promise.all(temporal.map((child) => child.stop(TEMPORAL_PATIENCE_MS)));
    },
    kill() {
      for (const child of children) child.kill();
    },
  };
}

function isTemporal(child: Child): boolean {
  return child.name === "Temporal";
}

function deathOf(child: Child, how: string): Complaint {
  return new Complaint(
    `the ${child.name} ${how}; the end of its log (${child.logPath}) is above`,
    lastLogLines(child.logPath, LOG_LINES_SHOWN),
  );
}

/**
 * Points the SDK at our server, and away from every other setting a person may have for a cluster: in the environment,
 * or in a profile file, for which ours takes the place (an empty one would make the SDK throw).
 */
function temporalEnv(
  env: Readonly<Record<string, string | undefined>>,
  dataDir: string,
  address: string,
): Record<string, string | undefined> {
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
