import { existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Stack } from "@posthaste/stack";

export const PROCESSES = ["api", "worker"] as const;

/** What the stack holds, from its metrics and the system. */
export type Holding = {
  /** Everything in the API that must be 0 when no client is connected, by name. */
  readonly open: Readonly<Record<string, number>>;
  /** The API's open files. */
  readonly files: number;
  /** Of JavaScript's objects and of buffers, by process. */
  readonly memoryBytes: Readonly<Record<(typeof PROCESSES)[number], number>>;
  /** The processor time that the API has taken since its start. */
  readonly cpuSeconds: number;
  /** The longest time that the API's event loop stood still since the last reading. */
  readonly stoppedMs: number;
};

/**
 * Arguments for Node that let a process collect its garbage when it gets SIGUSR2, so that only what is held
 * is measured.
 */
export const COLLECTS_GARBAGE: readonly string[] = [
  "--expose-gc",
  "--import",
  `data:text/javascript,${encodeURIComponent('process.on("SIGUSR2", () => { gc(); gc(); });')}`,
];
/** A collection takes less than this. */
const COLLECTING_MS = 500;
/** A collection finds what the one before has let go. */
const COLLECTIONS = 2;

/** Reads what the stack holds. */
export async function readHolding(stack: Stack): Promise<Holding> {
  const [api, worker] = await Promise.all([
    readSeries(`${apiMetricsUrl(stack)}/metrics`),
    readSeries(`${stack.workerUrls[0]}/metrics`),
  ]);
  const open = api
    .filter(({ name }) => name === "posthaste_open" || name === "posthaste_requests_under_way")
    .map(({ name, kind, value }) => [name === "posthaste_open" ? kind : `requests: ${kind}`, value] as const);
  if (open.length < 2) throw new Error("the API does not say what is open");
  return {
    open: { ...Object.fromEntries(open), ...socketsOf(Number(new URL(stack.apiUrl).port)) },
    files: metricIn(api, "process_open_fds"),
    memoryBytes: { api: memoryIn(api), worker: memoryIn(worker) },
    cpuSeconds: metricIn(api, "process_cpu_seconds_total"),
    stoppedMs: metricIn(api, "nodejs_eventloop_lag_max_seconds") * 1_000,
  };
}

/** Reads it after garbage has been collected, so that the memory is what is held. */
export async function readHeld(stack: Stack): Promise<Holding> {
  for (let n = 0; n < COLLECTIONS; n++) {
    for (const child of [...stack.apis, ...stack.workers]) {
      const pid = child.pid();
      if (pid !== undefined && child.running()) process.kill(pid, "SIGUSR2");
    }
    await sleep(COLLECTING_MS);
  }
  return await readHolding(stack);
}

type Series = readonly { readonly name: string; readonly kind: string; readonly value: number }[];

async function readSeries(url: string): Promise<Series> {
  // A connection that is kept may be closed at the moment in which it is used again.
  const text = await (await fetch(url, { headers: { connection: "close" } })).text();
  return [...text.matchAll(/^(\w+)(?:\{([^}]*)\})? (\S+)$/gm)].map(([, name = "", labels = "", value]) => ({
    name,
    kind: /kind="([^"]*)"/.exec(labels)?.[1] ?? "",
    value: Number(value),
  }));
}

function metricIn(series: Series, name: string): number {
  const found = series.find((one) => one.name === name);
  if (found === undefined) throw new Error(`there is no metric ${name}`);
  return found.value;
}

function memoryIn(series: Series): number {
  return metricIn(series, "nodejs_heap_size_used_bytes") + metricIn(series, "nodejs_external_memory_bytes");
}

function apiMetricsUrl(stack: Stack): string {
  const line = stack.apis[0]
    ?.log()
    .split("\n")
    .find((text) => text.includes('"metrics.started"'));
  return JSON.parse(line ?? "{}").url;
}

/** The states of Linux's table of sockets that a client may leave behind. */
const STATES = { "01": "sockets: established", "08": "sockets: close-wait" } as const;

/** Counts the connections to a port by what the system thinks of them; none where there is no such table. */
function socketsOf(port: number): Record<string, number> {
  const counts: Record<string, number> = Object.fromEntries(Object.values(STATES).map((name) => [name, 0]));
  const table = "/proc/net/tcp";
  if (!existsSync(table)) return {};
  const local = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  for (const line of readFileSync(table, "utf8").split("\n").slice(1)) {
    const [, address, , state] = line.trim().split(/\s+/);
    const name = STATES[state as keyof typeof STATES];
    if (address?.endsWith(local) && name !== undefined) counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}
