import type { LookupAddress } from "node:dns";
import { type AccountId, EGRESS_PORTS_DEFAULT, parseNetworks } from "@posthaste/domain";
import { type Receiver, startReceiver } from "@posthaste/testkit";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createEgress } from "./egress.ts";
import { EGRESS_LIMITS, type EgressLimits } from "./limits.ts";

const [ATTACKER, VICTIM] = [1, 2] as AccountId[] as [AccountId, AccountId];
/** For attempts that do not time out, however busy the machine is. */
const TIMEOUT_MS = 60_000;
/** The lookups that Node makes at once with 64 threads. Others wait in its own queue. */
const THREADS = 32;

let receiver: Receiver;
beforeEach(async () => {
  receiver = await startReceiver();
});
afterEach(async () => {
  vi.useRealTimers();
  await receiver.stop();
});

/**
 * Creates an egress with a clock that the test moves, and a resolver like Node's: it works on so many names
 * at once, in the order in which it was asked, and not on others until a name server answers.
 */
function setup({ threads = THREADS, ...limits }: Partial<EgressLimits> & { threads?: number } = {}) {
  let nowMs = 0;
  const queue: (() => void)[] = [];
  const silent = new Map<string, () => void>();
  const asked: string[] = [];
  let [free, most] = [threads, 0];
  let isSilent = (_name: string) => false;

  const lookup = async (name: string): Promise<LookupAddress[]> => {
    most = Math.max(most, threads - free + queue.length + 1);
    if (free === 0) await new Promise<void>((resolve) => queue.push(resolve));
    else free -= 1;
    asked.push(name);
    if (isSilent(name)) await new Promise<void>((resolve) => silent.set(name, resolve));
    const next = queue.shift();
    if (next === undefined) free += 1;
    else next();
    return [{ address: "127.0.0.1", family: 4 }];
  };
  const egress = createEgress({
    rules: { allow: parseNetworks("127.0.0.1"), deny: [], ports: EGRESS_PORTS_DEFAULT },
    lookup,
    limits,
    now: () => nowMs,
  });
  return {
    post: (name: string, accountId: AccountId, timeoutMs = TIMEOUT_MS) =>
      egress.post({
        url: `http://${name}:${receiver.port}/`,
        headers: {},
        body: Buffer.from("[{}]"),
        acceptance: "OK_ONLY",
        accountId,
        timeoutMs,
      }),
    pass: (ms: number) => {
      nowMs += ms;
    },
    silence: (names: typeof isSilent) => {
      isSilent = names;
    },
    /** Answers for a name that was silent. */
    answer: (name: string) => silent.get(name)?.(),
    asked,
    /** Returns the largest number of lookups that the resolver was asked for at once. */
    most: () => most,
  };
}

test("names that resolved once, and then no more, stop nobody's deliveries", async () => {
  const { post, pass, silence, most } = setup({ refreshMs: 10 });
  const evil = Array.from({ length: 200 }, (_, i) => `evil-${i}.example`);
  for (let i = 0; i < evil.length; i += 20) {
    await Promise.all(evil.slice(i, i + 20).map((name) => post(name, ATTACKER)));
  }
  await post("victim.example", VICTIM);
  pass(EGRESS_LIMITS.answerMs);
  silence((name) => name.startsWith("evil"));

  const attacks = evil.map((name) => post(name, ATTACKER));
  // Its name resolves at once, if only the resolver is asked.
  expect(await post("victim.example", VICTIM)).toMatchObject({ outcome: "accepted" });
  expect(await post("new.example", VICTIM)).toMatchObject({ outcome: "accepted" });
  const outcomes = (await Promise.all(attacks)).map(({ outcome }) => outcome);
  // They are called at their last address.
  expect([...new Set(outcomes)]).toEqual(["accepted"]);
  expect(most()).toBeLessThan(THREADS);
});

test("new names whose servers are silent leave room for another account's new names", async () => {
  const { post, pass, silence } = setup();
  silence((name) => name.startsWith("evil"));
  const attacks = Array.from({ length: 50 }, (_, i) => post(`evil-${i}.example`, ATTACKER, 300));
  expect(await post("new.example", VICTIM)).toMatchObject({ outcome: "accepted" });
  pass(300);
  const outcomes = await Promise.allSettled(attacks);
  // What the resolver was asked for is the receiver's fault, the rest is ours.
  expect(outcomes.filter(({ status }) => status === "fulfilled").length).toBeGreaterThan(0);
  expect(outcomes.filter(({ status }) => status === "rejected").length).toBeGreaterThan(0);
});

test("an attempt whose name was not looked up, because of other names, is a fault", async () => {
  const { post, pass, silence } = setup({ lookupsMax: 1 });
  silence(() => true);
  const first = post("slow.example", ATTACKER, 300);
  const second = post("other.example", VICTIM, 300);
  pass(300);
  await expect(second).rejects.toThrow("was not looked up for 300 of the attempt's 300 ms");
  expect(await first).toMatchObject({ outcome: "timeout", address: null });
});

test.each([
  ["more than half of the time is a fault", 151, { status: "rejected" }],
  ["half of the time is the receiver's timeout", 150, { status: "fulfilled", value: { outcome: "timeout" } }],
] as const)("an attempt whose name waited %s", async (_how, waitedMs, settled) => {
  const { post, pass, silence, answer, asked } = setup({ lookupsMax: 1 });
  silence(() => true);
  const first = post("slow.example", ATTACKER);
  const second = post("other.example", VICTIM, 300);
  pass(waitedMs);
  answer("slow.example");
  await first;
  expect(asked).toEqual(["slow.example", "other.example"]);
  pass(300);
  expect(await Promise.allSettled([second])).toMatchObject([settled]);
});

test("a receiver that does not answer is to blame although its name waits to be looked up again", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const { post, pass, silence } = setup({ lookupsMax: 1, refreshMs: 10 });
  await post("victim.example", VICTIM);
  receiver.answer({ kind: "hang" });
  silence(() => true);
  void post("slow.example", ATTACKER, 300).catch(() => {});
  const before = post("victim.example", VICTIM, 300);
  pass(EGRESS_LIMITS.answerMs);
  const after = post("victim.example", VICTIM, 300);
  await vi.advanceTimersByTimeAsync(10);
  await receiver.waitFor(3, { timeoutMs: TIMEOUT_MS });
  pass(300);
  await vi.advanceTimersByTimeAsync(300);
  expect(await Promise.all([before, after])).toMatchObject([{ outcome: "timeout" }, { outcome: "timeout" }]);
});

test("too many waiting names are a fault, not an outcome of the receiver", async () => {
  const { post, silence } = setup({ lookupsMax: 1, waitingNamesMax: 0 });
  silence(() => true);
  const first = post("slow.example", ATTACKER, 300);
  await expect(post("other.example", VICTIM)).rejects.toThrow("too many names");
  await first;
});
