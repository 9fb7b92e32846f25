import { randomUUID } from "node:crypto";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { startReceiver } from "@posthaste/testkit";
import { type Stack, startStack } from "../stack/stack.ts";
import { Complaint } from "../terminal/complaint.ts";
import { measureIsolation } from "./isolation.ts";
import { type LoadResult, measureHttp } from "./measure-http.ts";
import { bareWorkflows } from "./measure-temporal.ts";
import { recoverThroughTrouble } from "./recovery.ts";

const CONNECTIONS = 50;

type Sizes = { readonly rounds: number; readonly seconds: number; readonly deliveries: number };
const FULL: Sizes = { rounds: 3, seconds: 4, deliveries: 400 };
const QUICK: Sizes = { rounds: 1, seconds: 1, deliveries: 60 };

/** One line of the table: a figure beside its yardstick, measured in the same minutes. */
type Row = {
  readonly what: string;
  readonly rates: readonly number[];
  readonly yardstick: string;
  readonly yardstickRates: readonly number[];
  readonly note: string;
};

/** What is measured is what the parts can do, not what an operator lets a token do. */
const UNLIMITED = { POSTHASTE_RATE_PER_SECOND: "1000000" };

/**
 * Measures what the product does beside what its parts could do at best on the same machine, in turns, so that the
 * ratios hold although the machine's speed drifts. API, worker, Temporal, receiver and generator share its cores.
 */
export async function runBench(args: readonly string[]): Promise<number> {
  const { scenario, sizes, deliveries } = optionsFrom(args);
  console.log(
    `machine: ${cpus().length} × ${cpus()[0]?.model ?? "?"}, Node ${process.version}, SQLite, durable settings`,
  );
  if (scenario === "recovery") return await benchRecovery(deliveries ?? RECOVERED_DEFAULT);
  if (scenario === "isolation") return await benchIsolation(deliveries ?? PENDING_DEFAULT);
  const stack = await startStack({ env: UNLIMITED });
  const rows: Row[] = [];
  try {
    rows.push(await ingest(stack, sizes));
    rows.push(await deliver(stack, sizes));
  } finally {
    await stack.dispose();
  }
  print(rows);
  return 0;
}

async function ingest(stack: Stack, { rounds, seconds }: Sizes): Promise<Row> {
  const load = { token: stack.token, connections: CONNECTIONS, seconds };
  const event = {
    eventType: "invoice_sent",
    dataJson: JSON.stringify({ InvoiceNumber: "INV-1", x: "x".repeat(500) }),
  };
  const accept = () =>
    measureHttp({
      ...load,
      url: `${stack.apiUrl}/posthaste.v1.EventIngestService/IngestEvent`,
      body: () => JSON.stringify({ ...event, idempotencyKey: randomUUID() }),
    });
  const noop = () =>
    measureHttp({ ...load, url: `${stack.apiUrl}/grpc.health.v1.Health/Check`, body: () => "{}" });
  await noop();
  const accepted: LoadResult[] = [];
  const noops: LoadResult[] = [];
  for (let round = 0; round < rounds; round++) {
    accepted.push(await accept());
    noops.push(await noop());
  }
  return {
    what: `events accepted, Connect JSON, ${CONNECTIONS} connections`,
    rates: accepted.map((result) => result.perSecond),
    yardstick: "no-op RPC (health check), same server",
    yardstickRates: noops.map((result) => result.perSecond),
    note: `p50 ${median(accepted.map((r) => r.p50Ms)).toFixed(1)} ms, p99 ${median(accepted.map((r) => r.p99Ms)).toFixed(1)} ms`,
  };
}

async function deliver(stack: Stack, { rounds, deliveries }: Sizes): Promise<Row> {
  const receiver = await startReceiver();
  const bare = await bareWorkflows(stack.temporalAddress);
  const rates: number[] = [];
  const bareRates: number[] = [];
  try {
    await stack.subscribe(receiver.url);
    await bare.rate(20);
    for (let round = 0; round < rounds; round++) {
      rates.push(await deliveryRate(stack, receiver, deliveries));
      bareRates.push(await bare.rate(deliveries));
    }
  } finally {
    await bare.stop();
    await receiver.stop();
  }
  return {
    what: "deliveries through Temporal, workflow lane, 1 subscription",
    rates,
    yardstick: "bare workflow with one no-op activity, same server",
    yardstickRates: bareRates,
    note: `${deliveries} a round, from the first ingest to the last request`,
  };
}

async function deliveryRate(
  stack: Stack,
  receiver: Awaited<ReturnType<typeof startReceiver>>,
  count: number,
): Promise<number> {
  const before = receiver.requests.length;
  const begun = performance.now();
  await stack.client.events.ingestEvents({
    events: Array.from({ length: count }, (_, i) => ({
      eventType: "invoice_sent",
      snapshot: { case: "dataJson" as const, value: `{"InvoiceNumber":"INV-${i}"}` },
    })),
  });
  await receiver.waitFor(before + count, { timeoutMs: 120_000 });
  return (count / (performance.now() - begun)) * 1000;
}

function print(rows: readonly Row[]): void {
  console.table(
    rows.map((row) => ({
      what: row.what,
      "per second": Math.round(median(row.rates)),
      spread: spread(row.rates),
      yardstick: row.yardstick,
      "its rate": Math.round(median(row.yardstickRates)),
      ratio: median(row.rates.map((rate, i) => rate / (row.yardstickRates[i] ?? Number.NaN))).toFixed(2),
      note: row.note,
    })),
  );
}

/** @returns 1 where an event was missed or sent twice */
async function benchRecovery(deliveries: number): Promise<number> {
  const stack = await startStack({ workers: 2, env: UNLIMITED });
  try {
    const result = await recoverThroughTrouble(stack, deliveries);
    console.table([{ ...result, seconds: Math.round(result.seconds) }]);
    return result.missed + result.twice + result.madeWhilePaused === 0 ? 0 : 1;
  } finally {
    await stack.dispose();
  }
}

async function benchIsolation(deliveries: number): Promise<number> {
  const stack = await startStack({ env: UNLIMITED });
  try {
    console.table(await measureIsolation(stack, deliveries));
    return 0;
  } finally {
    await stack.dispose();
  }
}

const SCENARIOS = ["rates", "recovery", "isolation"] as const;
const USAGE = `npm run bench -- [${SCENARIOS.join(" | ")}] [--quick] [--deliveries N]`;
const RECOVERED_DEFAULT = 20_000;
const PENDING_DEFAULT = 5_000;

type Options = {
  readonly scenario: (typeof SCENARIOS)[number];
  readonly sizes: Sizes;
  /** Of the scenarios that have a backlog. */
  readonly deliveries: number | undefined;
};

function optionsFrom(args: readonly string[]): Options {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { quick: { type: "boolean", default: false }, deliveries: { type: "string" } },
    });
    const scenario = SCENARIOS.find((name) => name === (positionals[0] ?? "rates"));
    const deliveries = values.deliveries === undefined ? undefined : Number(values.deliveries);
    if (scenario === undefined || positionals.length > 1) throw new Error("there is no such scenario");
    if (deliveries !== undefined && !(Number.isInteger(deliveries) && deliveries > 0))
      throw new Error("--deliveries wants a whole number");
    return { scenario, sizes: values.quick ? QUICK : FULL, deliveries };
  } catch (error) {
    throw new Complaint(`${error instanceof Error ? error.message : "bad flags"}; usage: ${USAGE}`);
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? Number.NaN;
}

function spread(values: readonly number[]): string {
  return `${Math.round(Math.min(...values))}–${Math.round(Math.max(...values))}`;
}
