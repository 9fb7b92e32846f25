import { copyFileSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createPosthasteClient } from "@posthaste/client";
import { SCOPES } from "@posthaste/domain";
import { type Stack, startStack } from "@posthaste/stack";
import { createAccount, createToken } from "@posthaste/store";
import {
  type Behaviour,
  poll,
  type Random,
  type Receiver,
  randomFor,
  startReceiver,
} from "@posthaste/testkit";
import { runAttackers } from "./attackers.ts";
import { type Facts, findingsFrom } from "./findings.ts";
import { COLLECTS_GARBAGE, type Holding, readHeld, readHolding } from "./left-over.ts";
import { type AttackKind, quietMs } from "./plan.ts";
import type { Target } from "./strike.ts";
import { createWellBehaved } from "./well-behaved.ts";

export type AttackRunOptions = {
  readonly database: "sqlite" | "mysql";
  /** How long the attacks last. */
  readonly seconds: number;
  readonly seed: number;
  readonly kinds: readonly AttackKind[];
  /** The deadline of the well-behaved account's calls. Default: the client's. */
  readonly deadlineMs?: number;
  readonly note: (line: string) => void;
};

export type AttackRun = Facts & {
  /** What the API was like in both phases. */
  readonly api: { readonly quiet: Observed; readonly attacked: Observed };
  /** What the well-behaved account noticed, and what is left. */
  readonly findings: readonly string[];
  /** The folder with the logs; undefined: nothing was found. */
  readonly logDir: string | undefined;
};

/** What an API was like while something went on. */
export type Observed = {
  /** The longest time that its event loop stood still. */
  readonly stoppedMs: number;
  readonly cpuSeconds: number;
  /** The most of each thing that was open at once. */
  readonly peak: Readonly<Record<string, number>>;
};

/**
 * After the last client has left. A flood's dead connections may take a busy machine half of that. What a
 * shorter time limit of the API ends, such as a session whose end was not noticed, is not found here:
 * `killed-callers.test.ts` and `http2-sessions.test.ts` of the API find it.
 */
const SETTLED_WITHIN_MS = 45_000;
const READ_EVERY_MS = 1_000;
/** The client's default. */
const DEADLINE_MS = 10_000;

/** Attacks a stack of its own, and says what a well-behaved account noticed and what is left. */
export async function runAttack(options: AttackRunOptions): Promise<AttackRun> {
  const receivers = [await startReceiver(), await startReceiver()] as const;
  const stack = await startStack({
    database: options.database,
    lane: "direct",
    nodeArgs: COLLECTS_GARBAGE,
    env: { POSTHASTE_INBOX: "on" },
  });
  try {
    return await runOn(stack, receivers, options);
  } finally {
    await stack.dispose();
    for (const receiver of receivers) await receiver.stop();
  }
}

async function runOn(
  stack: Stack,
  [receiver, hostile]: readonly [Receiver, Receiver],
  { seconds, seed, kinds, deadlineMs = DEADLINE_MS, note }: AttackRunOptions,
): Promise<AttackRun> {
  const random = randomFor(seed, "receiver");
  hostile.answer(() => mischief(random));
  // By a client that can be closed: a connection that `fetch` keeps would count as left open.
  const eventTypes = ["invoice_sent"];
  await stack.client.subscriptions.createSubscription({ targetUrl: receiver.url, eventTypes });
  const target = await targetOf(stack, hostile.url);
  const wellBehaved = createWellBehaved(stack, receiver, deadlineMs);
  const children = [...stack.apis, ...stack.workers];

  note("quiet");
  const quiet = await observed(stack, () => wellBehaved.live(AbortSignal.timeout(quietMs(seconds))));
  const before = await readHeld(stack);

  note("attacks");
  const over = new AbortController();
  const attacked = await observed(stack, async () => {
    const living = wellBehaved.live(over.signal);
    const tallies = await runAttackers({ target, seed, seconds, kinds }).finally(() => over.abort());
    return { phase: await living, tallies };
  });

  note("what is left");
  await wellBehaved.close();
  await stack.client.close();
  const ended = children.filter((child) => !child.running());
  const facts = {
    ...{ seconds, quiet: quiet.result, attacked: attacked.result.phase, before },
    tallies: attacked.result.tallies,
    // A process that has ended holds nothing, and cannot be asked.
    after: ended.length === 0 ? await readLeft(stack) : { ...before, open: {} },
    complaints: children.flatMap((child) => complaintsIn(child.log())),
    endings: ended.map(({ name }) => `the ${name} ended by itself`),
  };
  const findings = findingsFrom(facts);
  return {
    ...facts,
    api: { quiet, attacked },
    findings,
    logDir: findings.length === 0 ? undefined : keepLogs(stack),
  };
}

/** Reads what the stack holds once nothing is open any more, or after a while. */
async function readLeft(stack: Stack): Promise<Holding> {
  await poll(async () => Object.values((await readHolding(stack)).open).every((count) => count === 0), {
    ...{ withinMs: SETTLED_WITHIN_MS, everyMs: 250 },
  });
  return await readHeld(stack);
}

/** Creates the hostile account. */
async function targetOf({ store, apiUrl }: Stack, receiverUrl: string): Promise<Target> {
  const now = Date.now();
  const { id: accountId } = await createAccount(store, { name: "hostile", now });
  const scopes = SCOPES.filter((scope) => scope !== "admin");
  const { secret: token } = await createToken(store, {
    ...{ accountId, name: "hostile", scopes, expiresAt: null, now },
  });
  const client = createPosthasteClient({ baseUrl: apiUrl, token });
  const { inbox } = await client.inboxes.createInbox({}).finally(() => client.close());
  return { apiUrl, token, receiverUrl, inboxId: inbox?.id ?? "" };
}

/** Chooses how a receiver of the hostile account answers. */
function mischief(random: Random): Behaviour {
  return random.pick<Behaviour>([
    { kind: "hang" },
    { kind: "reset" },
    { kind: "slow_headers" },
    { kind: "garbage" },
    { kind: "drip", status: 200, everyMs: 200 },
    { kind: "huge", status: 200, bytes: 4_194_304 },
    { kind: "status", status: 500 },
    { kind: "status", status: 429, headers: { "retry-after": "1" } },
  ]);
}

/** Reads what the stack holds every second while something goes on. */
async function observed<T>(stack: Stack, act: () => Promise<T>): Promise<Observed & { readonly result: T }> {
  const before = await readHolding(stack);
  const peak: Record<string, number> = {};
  let { stoppedMs, cpuSeconds } = { stoppedMs: 0, cpuSeconds: before.cpuSeconds };
  const done = new AbortController();
  const reading = (async () => {
    while (!done.signal.aborted) {
      await sleep(READ_EVERY_MS, undefined, { signal: done.signal }).catch(() => {});
      // A process that has ended is found later.
      const now = await readHolding(stack).catch(() => undefined);
      if (now === undefined) continue;
      stoppedMs = Math.max(stoppedMs, now.stoppedMs);
      cpuSeconds = now.cpuSeconds;
      for (const [name, count] of Object.entries(now.open)) peak[name] = Math.max(peak[name] ?? 0, count);
    }
  })();
  const result = await act().finally(() => done.abort());
  await reading;
  return { result, stoppedMs, cpuSeconds: cpuSeconds - before.cpuSeconds, peak };
}

/** How a worker says that Temporal is slow: here, one machine does everything. */
const SLOW_TEMPORAL = "Timeout expired";

/** Lists what must not be in a log: errors, and what Node or a library says by itself. */
function complaintsIn(log: string): readonly string[] {
  return log
    .split("\n")
    .filter((line) => /"level":"error"|"event":"process\.(warning|printed)"/.test(line))
    .map((line) => JSON.parse(line))
    .filter(({ error }) => error?.cause?.message !== SLOW_TEMPORAL)
    .map(({ service, event, error, message, text }) => {
      return `${service}: ${event}: ${error?.message ?? message ?? text}`;
    });
}

function keepLogs(stack: Stack): string {
  const dir = mkdtempSync(join(tmpdir(), "posthaste-attack-logs-"));
  for (const { logPath } of [...stack.apis, ...stack.workers]) {
    copyFileSync(logPath, join(dir, logPath.split("/").at(-1) ?? "log"));
  }
  return dir;
}
