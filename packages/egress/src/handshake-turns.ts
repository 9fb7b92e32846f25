import type { AccountId } from "@posthaste/domain";
import { createDebts, type DebtTerms } from "./debts.ts";

/**
 * What accounts owe for the time for which TLS reads their receivers' bytes. An ordinary handshake takes
 * 1 ms, and one with certificates of costly but usual keys (P-384) 4. One that takes 80 ms, about what 16 KiB
 * can cost, is remembered for 75 s, and several for at most ten minutes.
 */
const READING_DEBTS: DebtTerms = { freeMs: 5, debtMsMax: 600, repaidIn: 1_000 };
/** How long an account rests for each millisecond charged: it gets about a tenth of the thread. */
const REST_PER_MS = 10;
/** How long all accounts with debts rest for each millisecond of one of them: they get a quarter in all. */
const REST_OF_ALL_PER_MS = 3;
/** How long bytes are read before the event loop's other work goes on. One piece may take longer. */
const READING_MS = 4;
/**
 * How long the count of a thread's time may stand still: Linux brings it up to date at its ticks, at least
 * 250 a second, and when the thread sleeps. So the clock alone tells how long a shorter read took.
 */
const TICK_MS = 4;

/** What TLS reads for one exchange after the handshake. It is charged as one use. */
export type ExchangeReads = {
  readonly accountId: AccountId;
  bytes: number;
  /** How long the reads that were measured took. */
  ms: number;
};

export function createExchangeReads(accountId: AccountId): ExchangeReads {
  return { accountId, bytes: 0, ms: 0 };
}

/** The turns in which bytes of handshakes are read. A read holds the event loop until it ends. */
export type HandshakeTurns = {
  /** Reads when the account's turn comes, unless what is returned is called before. */
  wait(id: AccountId, read: () => void): () => void;
  /** Reads at once. Returns whether the exchange's reads took so long that its account was charged. */
  measure(reads: ExchangeReads, read: () => void): boolean;
};

export type TurnsOptions = {
  /** Milliseconds of a monotonic clock. */
  readonly now?: () => number;
  /** Milliseconds for which this thread has computed. */
  readonly computed?: () => number;
};

/**
 * Creates turns. Accounts take them one piece after the other. Those that owe nothing go first. The others
 * have a bounded part of the thread, however many they are: their reads took long, and the next may, too.
 *
 * What waits is bounded by the connections, each of which has one piece waiting at most.
 */
export function createHandshakeTurns({
  now = () => performance.now(),
  computed = threadMs,
}: TurnsOptions = {}): HandshakeTurns {
  const { owes, mayGoAt, measure } = createRests({ now, computed });
  /** No line is empty. The account that has waited longest comes first. */
  const lines = new Map<AccountId, Set<() => void>>();
  let cancel = () => {};

  /** Returns the account whose turn it is. */
  const next = () => {
    const nowMs = now();
    let rested: AccountId | undefined;
    for (const id of lines.keys()) {
      if (!owes(id)) return id;
      if (rested === undefined && mayGoAt(id) <= nowMs) rested = id;
    }
    return rested;
  };
  const takeTurns = () => {
    const begunAt = now();
    do {
      const id = next();
      const line = id === undefined ? undefined : lines.get(id);
      if (id === undefined || line === undefined) break;
      const [read = () => {}] = line;
      line.delete(read);
      lines.delete(id);
      if (line.size > 0) lines.set(id, line);
      measure(createExchangeReads(id), read);
    } while (now() - begunAt < READING_MS);
    schedule();
  };
  const schedule = () => {
    cancel();
    if (lines.size === 0) return;
    const waitMs = Math.min(...[...lines.keys()].map(mayGoAt)) - now();
    if (waitMs <= 0) {
      const turn = setImmediate(takeTurns);
      cancel = () => clearImmediate(turn);
    } else {
      const timer = setTimeout(takeTurns, waitMs);
      cancel = () => clearTimeout(timer);
    }
  };
  return {
    wait(id, read) {
      const line = lines.get(id) ?? new Set();
      lines.set(id, line.add(read));
      schedule();
      return () => {
        line.delete(read);
        if (line.size === 0 && lines.get(id) === line) lines.delete(id);
      };
    },
    measure,
  };
}

/** Charges accounts for reads, and says until when those that owe something rest. */
function createRests({ now, computed }: Required<TurnsOptions>) {
  const debts = createDebts(READING_DEBTS, now);
  /** Until when each account rests that was charged lately. */
  const restUntil = new Map<AccountId, number>();
  let allRestUntil = 0;
  const owes = (id: AccountId) => debts.of(id) > 0;
  return {
    owes,
    mayGoAt: (id: AccountId) => (owes(id) ? Math.max(allRestUntil, restUntil.get(id) ?? 0) : 0),
    measure(reads: ExchangeReads, read: () => void): boolean {
      const id = reads.accountId;
      const owedBefore = owes(id);
      const [begunAt, computedBefore] = [now(), computed()];
      read();
      const nowMs = now();
      const clockMs = nowMs - begunAt;
      // On a busy machine, the clock also counts others' time.
      const ms = clockMs < TICK_MS ? clockMs : Math.min(clockMs, computed() - computedBefore);
      const chargedMs = debts.charge(id, ms, reads.ms);
      reads.ms += ms;
      const isCharged = chargedMs > 0;
      if (isCharged || owedBefore) allRestUntil = Math.max(allRestUntil, nowMs + REST_OF_ALL_PER_MS * ms);
      if (!isCharged) return false;
      for (const [other, until] of restUntil) if (until <= nowMs) restUntil.delete(other);
      restUntil.set(id, Math.max(nowMs, restUntil.get(id) ?? 0) + REST_PER_MS * chargedMs);
      return true;
    },
  };
}

function threadMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}
