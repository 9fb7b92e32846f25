import { type AccountId, createDebts, createFairQueue, type DebtTerms, Refusal } from "@posthaste/domain";

/*
 * # Turns of the event loop
 *
 * All accounts share one thread. To decode and check a message of 1 MiB holds it for up to a fifth of a
 * second, during which nobody's request moves. So such computations take turns, one in each turn of the event
 * loop unless they are short, and everything else that is ready is served between two of them.
 *
 * That alone would leave the others a small part of the thread: their calls need several turns of the loop,
 * and each would wait for one computation. So an account owes what it computes. Once it owes more than
 * `TOLERATED_MS`, it is a debtor until it owes nothing: it repays before it computes again, but only while
 * *light* accounts, all others, have requests in flight. Debtors repay together as well, so that many of them
 * take no more than two do. If no light account needs the thread, all of it belongs to the debtors, the one
 * that owes least first.
 *
 * Nobody knows whose a connection is that is still to be accepted, and Node accepts one in each turn: behind
 * a crowd of new ones, a newcomer would wait for as many computations. So while connections arrive, those of
 * a turn are followed by a rest of their length, in which hundreds are accepted.
 */

/**
 * A computation is repaid in twice its time: a debtor gets a third of the thread while others need it. An
 * account waits for two seconds at most for what it owes, also if it was alone for long before.
 */
const OWN_DEBTS: DebtTerms = { freeMs: 0, debtMsMax: 1_000, repaidIn: 2 };
/** All debtors together rest somewhat longer than one of them has computed: they get less than half. */
const SHARED_DEBT: DebtTerms = { freeMs: 0, debtMsMax: 1_000, repaidIn: 1.25 };
/**
 * A debt that nobody needs to mind: other requests wait no longer for that. Calls with 100 KiB take two or
 * three milliseconds each, so an account may send a hundred a second and stays light.
 */
const TOLERATED_MS = 10;
/**
 * How long a request of a light account counts as one that needs the thread. One that lasts longer waits for
 * something else: its body, Temporal, or news, like a stream.
 */
const FRESH_MS = 1_000;
/**
 * How much is computed in one turn of the loop before everything else that is ready goes on, in milliseconds.
 * What takes longer has a turn of its own. Short computations share one, and so do their commits.
 */
const TURN_MS = 5;
/** Computations in one turn of the loop: the shortest that wait take a tenth of a millisecond. */
const COUNT_PER_TURN = 16;
/** How often it is looked whether an account has repaid, while all that wait have to. */
const LOOK_EVERY_MS = 5;
/**
 * Messages up to this size, in bytes, never wait: the rate of a token bounds what they cost, some tens of
 * microseconds each. Nothing bounds the rate of {@link ANONYMOUS}.
 */
export const SMALL_BYTES_MAX = 1_024;
/**
 * How long a computation may wait. An account that sends as much at once as its places and its part of the
 * memory allow needs about ten seconds for it while it is alone.
 */
const WAIT_MS_MAX = 30_000;
const RETRY_AFTER_MS = 1_000;

/** All callers without a token, who share the turns of one account. No account has this number. */
export const ANONYMOUS = 0 as AccountId;

/** Resolves in a turn of the loop of the call's account; see {@link LoopTurns.wait}. */
export type Turn = (bytes: number) => Promise<void>;

export type LoopTurns = {
  /** Notes that an account's request is in flight. Returns what to call, once, when it is over. */
  begin(accountId: AccountId): () => void;
  /**
   * Resolves in a turn of the event loop of its own. What then runs before it waits for something else is
   * charged to the account. If an account looks at few bytes, it resolves at once, and nothing is charged.
   *
   * What waits is bounded by the places of the requests that it belongs to.
   *
   * @param bytes how much is looked at; {@link ANONYMOUS} waits also for the least
   * @param signal aborts when nobody waits for the computation any more
   * @throws Refusal `too_many` if the turn does not come within half a minute; the signal's reason
   */
  wait(accountId: AccountId, bytes: number, signal?: AbortSignal): Promise<void>;
  /** Notes that a connection was accepted in this turn of the event loop: more may wait to be. */
  accepted(): void;
  /** Returns how many computations wait. */
  waiting(): number;
};

type Waiting = { readonly accountId: AccountId; readonly go: () => void };

/** `left`: its request was over. */
export type EndOfWait = "computed" | "refused" | "left";

export type LoopTurnsOptions = {
  /** Milliseconds of a monotonic clock. */
  readonly now?: () => number;
  /** Called with how long a computation has waited, and how that ended. */
  readonly onWaited?: (ms: number, end: EndOfWait) => void;
};

export function createLoopTurns({
  now = () => performance.now(),
  onWaited = () => {},
}: LoopTurnsOptions = {}): LoopTurns {
  const requests = createRequests(now);
  const queue = createFairQueue<Waiting>();
  const debtors = createDebtors(now, queue.sizeOf);
  const isLight = (id: AccountId) => !debtors.has(id);
  const next = () => {
    const mayAll = !requests.someFreshOf(isLight);
    return queue.next((id) => mayAll || isLight(id) || debtors.haveRepaid(id), debtors.owe);
  };

  const { goOn, accepted } = createPump(now, {
    next,
    ended: ({ accountId }, ms) => debtors.charge(accountId, ms),
    isIdle: () => queue.size() === 0,
  });
  return {
    begin(accountId) {
      const end = requests.begin(accountId);
      return () => {
        end();
        goOn();
      };
    },
    async wait(accountId, bytes, signal) {
      if (bytes <= SMALL_BYTES_MAX && accountId !== ANONYMOUS) return;
      signal?.throwIfAborted();
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const begunAt = now();
      const leave = (error: unknown) => {
        queue.remove(accountId, waiting);
        reject(error);
      };
      const waiting = { accountId, go: resolve };
      const tooLong = setTimeout(() => leave(waitedTooLong(accountId)), WAIT_MS_MAX);
      const abort = () => leave(signal?.reason);
      signal?.addEventListener("abort", abort, { once: true });
      queue.add(accountId, waiting);
      goOn();
      try {
        await promise;
        onWaited(now() - begunAt, "computed");
      } catch (error) {
        onWaited(now() - begunAt, error instanceof Refusal ? "refused" : "left");
        throw error;
      } finally {
        clearTimeout(tooLong);
        signal?.removeEventListener("abort", abort);
      }
    },
    accepted,
    waiting: queue.size,
  };
}

type Pumped = {
  /** Returns the computation whose turn it is; undefined: those that wait have to go on waiting. */
  readonly next: () => Waiting | undefined;
  /** Called with how long a computation has taken. */
  readonly ended: (computation: Waiting, ms: number) => void;
  /** Returns whether none waits. */
  readonly isIdle: () => boolean;
};

/** Returns what lets computations go, in the next turns of the event loop, until none waits. */
function createPump(now: () => number, { next, ended, isIdle }: Pumped) {
  let isScheduled = false;
  let look: NodeJS.Timeout | undefined;
  let hasAccepted = false;
  /** Until when computations rest after those of the last turn, while connections arrive. */
  let restUntil = 0;
  const goOn = () => {
    if (isScheduled || isIdle()) return;
    clearTimeout(look);
    isScheduled = true;
    let computing: Waiting | undefined;
    let [begunAt, computedMs, count] = [0, 0, 0];
    const rests = () => hasAccepted && now() < restUntil;
    const begin = () => {
      computing = computedMs < TURN_MS && !rests() ? next() : undefined;
      begunAt = now();
      computing?.go();
    };
    const end = () => {
      if (computing === undefined) return;
      const ms = now() - begunAt;
      ended(computing, ms);
      computedMs += ms;
      count += 1;
    };
    // Between two callbacks of one phase, only what the first one resolves runs. So `end` measures just that.
    for (let n = 0; n < COUNT_PER_TURN; n++) {
      setImmediate(begin);
      setImmediate(end);
    }
    setImmediate(() => {
      isScheduled = false;
      if (count > 0) restUntil = now() + computedMs;
      if (count > 0 || hasAccepted) goOn();
      else look = setTimeout(goOn, LOOK_EVERY_MS);
      hasAccepted = false;
    });
  };
  const accepted = () => {
    hasAccepted = true;
  };
  return { goOn, accepted };
}

/**
 * What accounts owe for their computations.
 *
 * @param waitingOf how many computations of an account wait
 */
function createDebtors(now: () => number, waitingOf: (id: AccountId) => number) {
  const own = createDebts(OWN_DEBTS, now);
  const shared = createSharedDebt(now);
  const debtors = new Set<AccountId>();
  /** One that has repaid stays a debtor while it waits to compute again: others need not rest for it. */
  const has = (id: AccountId) => {
    if (own.of(id) === 0 && waitingOf(id) === 0) debtors.delete(id);
    return debtors.has(id);
  };
  return {
    has,
    owe: own.of,
    /** Returns whether a debtor owes nothing any more, and neither do all together. */
    haveRepaid: (id: AccountId) => own.of(id) === 0 && shared.owed() === 0,
    charge(id: AccountId, ms: number): void {
      own.charge(id, ms);
      if (own.of(id) > TOLERATED_MS) debtors.add(id);
      if (debtors.has(id)) shared.charge(ms);
    },
  };
}

/** What all debtors together owe. */
function createSharedDebt(now: () => number) {
  const debts = createDebts(SHARED_DEBT, now);
  /** It is one debt, whoever ran it up. */
  const all = 0 as AccountId;
  return { owed: () => debts.of(all), charge: (ms: number) => void debts.charge(all, ms) };
}

/** The requests in flight that began lately. */
function createRequests(now: () => number) {
  /** In the order in which they began. */
  const fresh = new Set<{ readonly id: AccountId; readonly begunAt: number }>();
  return {
    begin(id: AccountId): () => void {
      const request = { id, begunAt: now() };
      fresh.add(request);
      return () => fresh.delete(request);
    },
    /** Returns whether such an account has one. */
    someFreshOf(isWanted: (id: AccountId) => boolean): boolean {
      const since = now() - FRESH_MS;
      const others = new Set<AccountId>();
      for (const request of fresh) {
        const { id, begunAt } = request;
        if (begunAt < since) fresh.delete(request);
        else if (!others.has(id) && isWanted(id)) return true;
        else others.add(id);
      }
      return false;
    },
  };
}

function waitedTooLong(accountId: AccountId): Refusal {
  const whose = accountId === ANONYMOUS ? "calls without a token" : "this account's calls";
  return new Refusal(
    "too_many",
    `${whose} take more of the server's time than their part, and this one has waited for ${WAIT_MS_MAX / 1_000} s; send fewer or smaller ones at once`,
    { reason: "COMPUTING_FULL", retryAfterMs: RETRY_AFTER_MS },
  );
}
