import { fileURLToPath } from "node:url";
import { Complaint, refuseUnknownSettings, runMain, Stopped } from "@posthaste/runtime/terminal";
import { temporalBinary } from "@posthaste/temporal-servers";
import { freePort, isFree } from "@posthaste/testkit";
import { build } from "./suite/build.ts";
import { showProgress } from "./terminal/progress.ts";
import { listenForStop, untilStopped } from "./terminal/stop-signal.ts";
import { requirePresetToken } from "./up/admin-token.ts";
import { claimDataFolder, inWords } from "./up/data-folder.ts";
import { type Demo, startDemo } from "./up/demo.ts";
import { requireTemporal } from "./up/given-temporal.ts";
import { parseUpOptions, TEMPORAL_PORT_DEFAULT, UP_USAGE, type UpOptions } from "./up/options.ts";
import { prepareDatabase } from "./up/prepare-database.ts";
import { secretKeys } from "./up/secret-keys.ts";
import { createStack, egressAllow, type Stack } from "./up/stack.ts";
import { welcome } from "./up/welcome.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
/** The address of the user's Temporal server; undefined: this command starts one. */
const givenTemporal = process.env["TEMPORAL_ADDRESS"] || undefined;

await runMain(async () => {
  const options = parseUpOptions(process.argv.slice(2), process.env["INIT_CWD"] ?? root);
  if (options === "help") {
    console.log(UP_USAGE);
    return 0;
  }
  refuseUnknownSettings(process.env);
  requirePresetToken(process.env["POSTHASTE_ADMIN_TOKEN"]);
  return await up(options);
});

/**
 * Runs everything until a stop signal.
 *
 * @returns the exit code 0
 * @throws Complaint if a process dies or the start fails
 */
async function up(options: UpOptions): Promise<number> {
  let stack: Stack | undefined;
  const signal = listenForStop(() => stack?.kill());
  try {
    const folder = await claimDataFolder(options.dataDir, console.error);
    try {
      await checkPorts(options);
      if (givenTemporal !== undefined) await requireTemporal(givenTemporal, signal);
      stack = createStack({ folder, env: process.env, signal });
      await runUntilStopped(options, stack, signal);
    } finally {
      await folder.release();
    }
    return 0;
  } catch (error) {
    if (error instanceof Stopped) return 0;
    throw inWords(error, options.dataDir);
  }
}

/** @throws Stopped after a stop signal; Complaint if a process dies or the start fails */
async function runUntilStopped(options: UpOptions, stack: Stack, signal: AbortSignal): Promise<void> {
  let demo: Demo | undefined;
  try {
    const { token, ...places } = await start(options, stack, signal);
    const apiUrl = `http://127.0.0.1:${options.port}`;
    console.log(welcome({ apiUrl, token, egressAllow: egressAllow(process.env), ...places, ...options }));
    if (options.demo) {
      demo = await startDemo({ dataDir: options.dataDir });
      await Promise.race([demo.deliverSample({ apiUrl, token, signal }), stack.death]);
    }
    await Promise.race([untilStopped(signal), stack.death]);
  } finally {
    const note = signal.aborted ? " (again: kill everything at once)" : "";
    await showProgress(`stopping${note}`, () => stack.stop());
    await demo?.stop();
  }
}

async function start(options: UpOptions, stack: Stack, signal: AbortSignal) {
  const binary = await prepare(signal);
  const temporalAddress = binary === undefined ? undefined : await startTemporal(binary, options, stack);
  const temporalUiUrl =
    givenTemporal === undefined ? `http://127.0.0.1:${options.temporalUiPort}` : undefined;
  const databaseUrl = `sqlite:${options.dataDir}/posthaste.db`;
  const sealing = await secretKeys({
    dataDir: options.dataDir,
    preset: process.env["POSTHASTE_SECRET_KEYS"],
  });
  const token = await prepareDatabase({
    url: databaseUrl,
    secretKeys: sealing,
    dataDir: options.dataDir,
    presetToken: process.env["POSTHASTE_ADMIN_TOKEN"],
  });
  const metrics = await showProgress("starting API and worker", () =>
    stack.startServices({
      port: options.port,
      databaseUrl,
      secretKeys: sealing,
      temporalAddress,
      temporalUiUrl,
    }),
  );
  return { token, ...metrics, temporalUi: temporalUiUrl ?? `the UI of your own server (${givenTemporal})` };
}

/**
 * Builds the packages. Unless TEMPORAL_ADDRESS names a server, finds or downloads a Temporal server at the
 * same time: the build needs the processor and the download needs the network.
 *
 * @returns the path of the Temporal server's program; undefined if TEMPORAL_ADDRESS names a server
 */
async function prepare(signal: AbortSignal): Promise<string | undefined> {
  if (givenTemporal !== undefined) {
    await showProgress("building", () => build(root, signal));
    return undefined;
  }
  return await showProgress("building, and getting a Temporal server", async (note) => {
    const failed = new AbortController();
    try {
      const [binary] = await Promise.all([
        temporalBinary({ progress: note }).catch((error: Error) => {
          throw new Complaint(error.message);
        }),
        build(root, AbortSignal.any([signal, failed.signal])),
      ]);
      return binary;
    } catch (error) {
      // If one fails, the command does not wait for the other.
      failed.abort(error);
      throw error;
    }
  });
}

async function startTemporal(
  binary: string,
  { port: apiPort, temporalPort, temporalUiPort: uiPort }: UpOptions,
  stack: Stack,
): Promise<string> {
  const isDefaultTaken = [apiPort, uiPort].includes(TEMPORAL_PORT_DEFAULT);
  const port = temporalPort ?? (await freePort(isDefaultTaken ? 0 : TEMPORAL_PORT_DEFAULT));
  return await showProgress("starting the Temporal server", () =>
    stack.startTemporal({ binary, port, uiPort }),
  );
}

async function checkPorts({ port, temporalPort, temporalUiPort }: UpOptions): Promise<void> {
  await requireFree(port, "API", "--port");
  if (givenTemporal !== undefined) return;
  if (temporalPort !== undefined) await requireFree(temporalPort, "Temporal server", "--temporal-port");
  await requireFree(temporalUiPort, "Temporal UI", "--temporal-ui-port");
}

async function requireFree(port: number, server: string, flag: string): Promise<void> {
  if (await isFree(port)) return;
  throw new Complaint(`port ${port} is in use: choose another port for the ${server} with ${flag}`);
}
