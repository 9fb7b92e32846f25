import { type AccountId, createDebts, type DebtTerms } from "@posthaste/domain";

/**
 * What accounts owe for the time for which TLS reads their receivers' bytes. For an ordinary exchange, that
 * is 1 ms, with certificates of costly but usual keys 6 (P-384) or 15 (P-521). One that takes 80 ms, about
 * what a handshake of 16 KiB can cost, is remembered for a minute, and several for at most ten minutes.
 */
const READING_DEBTS: DebtTerms = { freeMs: 20, debtMsMax: 600, repaidIn: 1_000 };
/** How long an account rests for each millisecond charged: long handshakes get an eighth of the thread. */
const REST_PER_MS = 10;
/** How long all accounts with debts rest for each millisecond of one of them: they get a quarter in all. */
const REST_OF_ALL_PER_MS = 3;
/**
 * How long bytes are read before the event loop's other work goes on. One piece may take longer; that work
 * then gets as much time as the piece took too long.
 */
const READING_MS = 4;
/**
 * How long the count of a thread's time may stand still: Linux brings it up to date at its ticks, at least
 * 250 a second, and when the thread sleeps. So the clock alone tells how long a shorter read took.
 */
const TICK_MS = 4;

/** What TLS reads for one exchange, its handshake included. It is charged as one use. */
export type TlsReads = {
  readonly accountId: AccountId;
  /** How many bytes have arrived after the handshake. */
  securedBytes: number;
  /** How many bytes wait for their turn. */
  waitingBytes: number;
  /** How many bytes TLS has read. */
  bytes: number;
  /** How long the reads that took a turn lasted. */
  ms: number;
};

export function createTlsReads(accountId: AccountId): TlsReads {
  return { accountId, securedBytes: 0, waitingBytes: 0, bytes: 0, ms: 0 };
}

/** The turns in which TLS reads bytes. A read holds the event loop until it ends. */
export type TlsTurns = {
  /** Reads when the turn of the exchange's account comes, unless what is returned is called before. */
  wait(reads: TlsReads, read: () => void): () => void;
};

type Piece = { readonly reads: TlsReads; readonly read: () => void };

export type TurnsOptions = {
  /** Milliseconds of a monotonic clock. */
  readonly now?: () => number;
  /** Milliseconds for which this thread has computed. */
  readonly computed?: () => number;
};

/**
 * Creates turns. Accounts take them one piece after the other. Those that owe nothing go first, then those
 * that owe least. All that owe have a bounded part of the thread, however many they are: their reads took
 * long, and the next may, too.
 *
 * What waits is bounded by the connections, each of which has one piece waiting at most.
 */
export function createTlsTurns({
  now = () => performance.now(),
  computed = threadMs,
}: TurnsOptions = {}): TlsTurns {
  const { owed, mayGoAt, measure } = createRests({ now, computed });
  /** No line is empty. The account that has waited longest comes first. */
  const lines = new Map<AccountId, Set<Piece>>();
  let cancel = () => {};
  /** When turns are taken next. Infinite if that is not scheduled. */
  let scheduledAt = Number.POSITIVE_INFINITY;
  /** Until when the event loop's other work goes on. */
  let othersUntil = 0;

  /** Returns the account whose turn it is. */
  const next = () => {
    const nowMs = now();
    let [first, leastMs]: [AccountId | undefined, number] = [undefined, Number.POSITIVE_INFINITY];
    for (const id of lines.keys()) {
      const owedMs = owed(id);
      if (owedMs >= leastMs || mayGoAt(id) > nowMs) continue;
      [first, leastMs] = [id, owedMs];
      if (owedMs === 0) break;
    }
    return first;
  };
  const takeTurns = () => {
    const begunAt = now();
    let readMs = 0;
    do {
      const id = next();
      const line = id === undefined ? undefined : lines.get(id);
      const [piece] = line ?? [];
      if (id === undefined || line === undefined || piece === undefined) break;
      line.delete(piece);
      lines.delete(id);
      if (line.size > 0) lines.set(id, line);
      measure(piece);
      readMs = now() - begunAt;
    } while (readMs < READING_MS);
    othersUntil = now() + Math.max(0, readMs - READING_MS);
    schedule(Math.min(...[...lines.keys()].map(mayGoAt)));
  };
  const schedule = (goAt: number) => {
    cancel();
    const at = Math.max(goAt, othersUntil);
    scheduledAt = at;
    if (at === Number.POSITIVE_INFINITY) return;
    const waitMs = at - now();
    if (waitMs <= 0) {
      const turn = setImmediate(takeTurns);
      cancel = () => clearImmediate(turn);
    } else {
      const timer = setTimeout(takeTurns, waitMs);
      cancel = () => clearTimeout(timer);
    }
  };
  return {
    wait(reads, read) {
      const id = reads.accountId;
      const piece = { reads, read };
      const line = lines.get(id) ?? new Set();
      lines.set(id, line.add(piece));
      const goAt = mayGoAt(id);
      if (Math.max(goAt, othersUntil) < scheduledAt) schedule(goAt);
      return () => {
        line.delete(piece);
        if (line.size === 0 && lines.get(id) === line) lines.delete(id);
      };
    },
  };
}

/** Charges accounts for reads, and says until when those that owe something rest. */
function createRests({ now, computed }: Required<TurnsOptions>) {
  const debts = createDebts(READING_DEBTS, now);
  /** Until when each account rests that was charged lately. */
  const restUntil = new Map<AccountId, number>();
  let allRestUntil = 0;
  const owed = debts.of;
  return {
    owed,
    mayGoAt: (id: AccountId) => (owed(id) > 0 ? Math.max(allRestUntil, restUntil.get(id) ?? 0) : 0),
    measure({ reads, read }: Piece): void {
      const id = reads.accountId;
      const owedBefore = owed(id) > 0;
      const [begunAt, computedBefore] = [now(), computed()];
      read();
      const nowMs = now();
      const clockMs = nowMs - begunAt;
      // On a busy machine, the clock also counts others' time.
      const ms = clockMs < TICK_MS ? clockMs : Math.min(clockMs, computed() - computedBefore);
      const chargedMs = debts.charge(id, ms, reads.ms);
      reads.ms += ms;
      if (chargedMs > 0 || owedBefore) {
        allRestUntil = Math.max(allRestUntil, nowMs + REST_OF_ALL_PER_MS * ms);
      }
      if (chargedMs === 0) return;
      for (const [other, until] of restUntil) if (until <= nowMs) restUntil.delete(other);
      restUntil.set(id, Math.max(nowMs, restUntil.get(id) ?? 0) + REST_PER_MS * chargedMs);
    },
  };
}

function threadMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}
