import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Lane } from "@posthaste/domain";
import { type Stack, startStack } from "@posthaste/stack";
import {
  type Certificate,
  certificateFor,
  mountSmallDisk,
  type OwnMysqlServer,
  type SmallDisk,
  startOwnMysql,
  startTcpProxy,
  type TcpProxy,
} from "@posthaste/testkit";
import { type Findings, findingsFrom, linesOf } from "./checks/findings.ts";
import { gatherFacts, watchDeletions } from "./checks/gather.ts";
import { injectFaults } from "./faults/faults.ts";
import { refusableFlushes } from "./faults/refused-flush.ts";
import { PIPED } from "./faults/stalled-log.ts";
import { supervise } from "./faults/supervisor.ts";
import { keepLogs } from "./keep-logs.ts";
import { calmMs, type Database, type Fault, planFaults, planTraffic } from "./plan.ts";
import { type Receivers, type Seen, startReceivers } from "./receivers.ts";
import { settle } from "./settle.ts";
import { middleOf, sendEvents } from "./traffic/events.ts";
import { prepareTraffic } from "./traffic/traffic.ts";
import { callerFor, createCaller, emptyLedger, type Ledger, subscribe, type World } from "./world.ts";

export type ChaosRun = {
  readonly database: Database;
  readonly lane: Lane;
  readonly seed: number;
  readonly seconds: number;
  readonly events: number;
  readonly deliveries: number;
  readonly attempts: number;
  readonly requests: number;
  /** Those that took place. */
  readonly faults: readonly Fault[];
  /** Acts of each kind of traffic. */
  readonly acts: Ledger["acts"];
  readonly findings: Findings;
  /** The folder with the logs and the stories of what was found; undefined: nothing was. */
  readonly logDir: string | undefined;
};

export type ChaosRunOptions = {
  readonly database: Database;
  readonly lane: Lane;
  /** How long faults are injected. */
  readonly seconds: number;
  readonly seed: number;
  /** The number of subscriptions that a fan-out goes to. Default: {@link WIDE}. */
  readonly wide?: number;
  readonly note: (line: string) => void;
};

/** Three times as many as one ingest call creates deliveries for. */
const WIDE = 3_000;

const ENV = {
  // Short times, so that the deliveries that a killed worker had claimed are started within the run.
  POSTHASTE_DISPATCH_LEASE_MS: "2000",
  POSTHASTE_RECONCILE_INTERVAL_MS: "1000",
  // The schedule of the retention is at work, too; its ages are days.
  POSTHASTE_RETENTION_INTERVAL_MS: "5000",
  // The shortest allowed: a silent connection is given up within a run.
  POSTHASTE_DATABASE_TIMEOUT_MS: "6000",
};
/**
 * Makes every restart of Temporal hand out waiting retries early: its matching service forgets which tasks of
 * its backlog are done, here those of the last two minutes rather than of the last one (the default). With an
 * hour, a run of seven minutes made it hand out all 40,000 tasks since its beginning after each of 14
 * restarts, and read each one's workflow to find it closed: with its own database on two cores, it did
 * nothing else for minutes.
 */
const FORGETFUL = { "matching.updateAckInterval": '"2m"' };
/** The clock of one worker's machine is wrong; only the database's may count. SQLite's is the machine's. */
const AHEAD_MS = { workers: [0, 20_000] };
/** A run of an hour needs less than half of it; a full disk is filled within a second. */
const DATABASE_DISK_MEBIBYTES = 384;
const LOG_DISK_MEBIBYTES = 128;
/** The subscriptions that are there from the beginning; others come with the traffic. */
const SUBSCRIBED = ["steady", "flaky", "slow", "failing", "hanging", "leaving"] as const;

/** Runs the whole product under faults and traffic on one database, and returns the findings. */
export async function runChaos(options: ChaosRunOptions): Promise<ChaosRun> {
  const { seed, seconds } = options;
  const seen: Seen[] = [];
  const tls = await certificateFor("127.0.0.1");
  const receivers = await startReceivers(seed, { leavesAt: middleOf("hostile", seconds), tls, seen });
  try {
    return await withMachines(options, tls, (machines) => runOn(machines, options, receivers, seen));
  } finally {
    await Promise.all(Object.values(receivers).map((receiver) => receiver.stop()));
  }
}

type Machines = {
  readonly stack: Stack;
  readonly mysql: OwnMysqlServer | undefined;
  readonly proxy: TcpProxy | undefined;
  readonly disks: { readonly database: SmallDisk; readonly log: SmallDisk } | undefined;
  readonly flushesRefusedPath: string;
};

/** Starts the database, the proxy and the product, and ends all of them afterwards. */
async function withMachines<T>(
  { database, lane, note }: ChaosRunOptions,
  tls: Certificate,
  run: (machines: Machines) => Promise<T>,
): Promise<T> {
  const ends: (() => Promise<unknown> | unknown)[] = [];
  try {
    const mysql = database === "mysql" ? await startOwnMysql({ durable: true, progress: note }) : undefined;
    ends.push(() => mysql?.release());
    const disks = mountDisks();
    ends.push(() => [disks?.database.remove(), disks?.log.remove()]);
    if (disks === undefined)
      note("no disk is filled up: this process may not mount one (it takes Linux and root)");
    let proxy: TcpProxy | undefined;
    const dir = mkdtempSync(join(tmpdir(), "posthaste-chaos-"));
    ends.push(() => rmSync(dir, { recursive: true }));
    const flushesRefusedPath = join(dir, "flushes-refused");
    const certificatePath = join(dir, "receivers.pem");
    writeFileSync(certificatePath, tls.cert);
    const stack = await startStack({
      ...{ database, lane, mysqlUrl: mysql?.url, apis: 2, workers: 2 },
      env: { ...ENV, NODE_EXTRA_CA_CERTS: certificatePath },
      temporalSettings: FORGETFUL,
      databaseDir: disks?.database.dir,
      logDir: disks?.log.dir,
      pipedLogs: [PIPED],
      nodeArgs: refusableFlushes(flushesRefusedPath),
      machinesAheadMs: database === "mysql" ? AHEAD_MS : {},
      databaseUrl: async (url) => {
        if (database === "sqlite") return url;
        const target = new URL(url);
        proxy = await startTcpProxy({ host: target.hostname, port: Number(target.port) });
        target.port = String(proxy.port);
        return target.href;
      },
    });
    // The proxy ends first: connections that are in a transaction keep the database from being dropped.
    ends.push(() => stack.dispose());
    ends.push(() => proxy?.stop());
    return await run({ stack, mysql, proxy, disks, flushesRefusedPath });
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

function mountDisks(): Machines["disks"] {
  const database = mountSmallDisk(DATABASE_DISK_MEBIBYTES);
  if (database === undefined) return undefined;
  const log = mountSmallDisk(LOG_DISK_MEBIBYTES);
  if (log === undefined) throw new Error("one small disk could be mounted, and another one could not");
  return { database, log };
}

async function runOn(
  machines: Machines,
  { database, lane, seconds, seed, wide = WIDE, note }: ChaosRunOptions,
  receivers: Receivers,
  seen: Seen[],
): Promise<ChaosRun> {
  const { stack, disks } = machines;
  const stop = new AbortController();
  const ledger = emptyLedger();
  const base = { stack, ledger, stop: stop.signal };
  const callers = {
    good: callerFor(base, stack.accountId, stack.token),
    hostile: await createCaller(base, "hostile"),
  };
  const world: World = { ...base, seed, wide, receivers, callers };
  await watchDeletions(stack.store);
  for (const character of SUBSCRIBED) await subscribe(world, character);
  const traffic = await prepareTraffic(world);

  const plan = planFaults({ seed, seconds, database, hasDisks: disks !== undefined });
  const supervisor = supervise(stack, ledger);
  const sending = Promise.all([
    sendEvents(world, "good"),
    sendEvents(world, "hostile"),
    traffic.run(planTraffic({ seed, seconds })),
  ]);
  const untilSettled = async () => {
    const calm = sleep(seconds * 1_000 + calmMs(seconds));
    await injectFaults({ ...machines, supervisor }, plan, ledger, ({ at, kind, target, forMs }) =>
      note(`${(at / 1_000).toFixed(1)} s: ${kind} ${target} for ${(forMs / 1_000).toFixed(1)} s`),
    );
    await calm;
    stop.abort();
    await sending;
    note(`${ledger.accepted.length} events accepted; waiting until every delivery has got as far as it can`);
    return await gatherFacts(world, seen, await settle(world, seconds * 1_000, note));
  };
  // A process that is started again after a failure would be left behind.
  const facts = await untilSettled()
    .catch((error) => {
      const line = `the run broke off: ${error}`;
      throw new Error(`${line}; the logs are in ${keepLogs(stack, ledger, [line])}`, { cause: error });
    })
    .finally(() => supervisor.stop());
  await Promise.all(Object.values(callers).map((caller) => caller.close()));
  const findings = findingsFrom(facts);
  const lines = linesOf(findings);
  return {
    ...{ database, lane, seed, seconds },
    events: ledger.accepted.length,
    deliveries: facts.deliveries.length,
    attempts: facts.attempts.length,
    requests: seen.length,
    faults: ledger.faults,
    acts: ledger.acts,
    findings,
    logDir: lines.length === 0 ? undefined : keepLogs(stack, ledger, lines, facts),
  };
}
