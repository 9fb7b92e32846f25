import { setTimeout as sleep } from "node:timers/promises";
import { createPosthasteClient, type PosthasteClient } from "@posthaste/client";
import { type AccountId, SCOPES } from "@posthaste/domain";
import type { Stack } from "@posthaste/stack";
import { createAccount, createToken } from "@posthaste/store";
import type { Fault, TrafficKind } from "./plan.ts";
import { type Character, OF_ACCOUNT, type Receivers } from "./receivers.ts";

/** The two accounts: one behaves well, the other gives trouble. */
export type AccountName = "good" | "hostile";

/** An accepted event. Times are epoch milliseconds. */
export type Accepted = {
  readonly account: AccountName;
  /** Its number, which is in its snapshot. */
  readonly n: number;
  readonly eventId: string;
  readonly eventType: string;
  /** When it was first sent, and when it was known to be accepted. */
  readonly sentAt: number;
  readonly acceptedAt: number;
};

/** A subscription that the run has made. */
export type Known = {
  readonly character: Character;
  readonly account: AccountName;
  readonly eventType: string;
  /** When it was known to exist. */
  readonly knownAt: number;
  /** Undefined: its signatures are not verified. */
  readonly secret: string | undefined;
};

/** A fault as it happened. */
export type FaultWindow = Fault & { readonly from: number; readonly until: number };

/** An act as it happened. */
export type ActDone = {
  readonly kind: TrafficKind;
  readonly n: number;
  readonly from: number;
  readonly until: number;
};

/** What the run did, as far as it knows. */
export type Ledger = {
  readonly accepted: Accepted[];
  readonly subscriptions: Map<number, Known>;
  /** Deliveries that the run has cancelled, or may have. */
  readonly cancelled: Set<string>;
  readonly acts: ActDone[];
  readonly faults: FaultWindow[];
  /** Calls that were answered with a fault of the server, and processes that ended by themselves. */
  readonly troubles: string[];
};

/** Calls the API for one account. */
export type Caller = {
  readonly accountId: AccountId;
  /**
   * Calls both APIs in turn until one answers.
   *
   * @param isAnswer whether an error is an answer. Default: {@link isRefusal}
   * @throws the answer, if it is an error; what the APIs did with the call, a minute after the run's end
   */
  insist<T>(
    call: (client: PosthasteClient) => Promise<T>,
    isAnswer?: (error: unknown) => boolean,
  ): Promise<T>;
  close(): Promise<void>;
};

/** Everything that traffic acts on. */
export type World = {
  readonly stack: Stack;
  readonly seed: number;
  /** The number of subscriptions that a fan-out goes to. */
  readonly wide: number;
  readonly receivers: Receivers;
  readonly callers: Readonly<Record<AccountName, Caller>>;
  readonly ledger: Ledger;
  /** Aborted at the end of the traffic. */
  readonly stop: AbortSignal;
};

export const EVENT_TYPE = "invoice_sent";
/** What fan-outs go by. */
export const WIDE_EVENT_TYPE = "contact_created";

/** The subscriptions' timeout: how long an attempt to a receiver that hangs takes. */
const ATTEMPT_TIMEOUT_S = 2n;
const CALL_DEADLINE_MS = 4_000;
const REPEAT_PAUSE_MS = 200;
/** How long a call may take to be answered after the traffic has stopped. */
const ANSWERED_WITHIN_MS = 60_000;
/** So many failures of a call that was never answered are named: several of each API. */
const FAILURES_SHOWN = 6;

export function emptyLedger(): Ledger {
  return {
    accepted: [],
    subscriptions: new Map(),
    cancelled: new Set(),
    acts: [],
    faults: [],
    troubles: [],
  };
}

/** Creates an account in the database, and a caller for it. */
export async function createCaller(
  world: Pick<World, "stack" | "ledger" | "stop">,
  name: string,
): Promise<Caller> {
  const { store } = world.stack;
  const now = Date.now();
  const { id: accountId } = await createAccount(store, { name, now });
  const token = { accountId, name, scopes: [...SCOPES], expiresAt: null, now };
  const { secret } = await createToken(store, token);
  return callerFor(world, accountId, secret);
}

/** Returns a caller for an existing account. */
export function callerFor(
  { stack, ledger, stop }: Pick<World, "stack" | "ledger" | "stop">,
  accountId: AccountId,
  token: string,
): Caller {
  const clients = stack.apiUrls.map((baseUrl) =>
    createPosthasteClient({ baseUrl, token, deadlineMs: CALL_DEADLINE_MS, attemptsMax: 1 }),
  );
  let turn = 0;
  return {
    accountId,
    async insist(call, isAnswer = isRefusal) {
      let stoppedAt: number | undefined;
      let failures: unknown[] = [];
      let attempts = 0;
      for (;;) {
        const client = clients[turn++ % clients.length];
        if (client === undefined) throw new Error("there is no API");
        try {
          return await call(client);
        } catch (error) {
          if (isAnswer(error)) throw error;
          if (isServersFault(error)) ledger.troubles.push(`a call was answered with ${error}`);
          if (stop.aborted) stoppedAt ??= Date.now();
          failures = [...failures, error].slice(-FAILURES_SHOWN);
          attempts++;
          if (stoppedAt !== undefined && Date.now() - stoppedAt > ANSWERED_WITHIN_MS) {
            const last = failures.join("; ");
            throw new Error(`no API answered ${call} in ${attempts} attempts; the last ones: ${last}`);
          }
        }
        await sleep(REPEAT_PAUSE_MS);
      }
    },
    close: async () => void (await Promise.all(clients.map((client) => client.close()))),
  };
}

/** Subscribes a receiver, and enters the subscription into the ledger. */
export async function subscribe(
  { callers, ledger, receivers }: Pick<World, "callers" | "ledger" | "receivers">,
  character: Exclude<Character, "erased" | "wide">,
  path = "",
): Promise<number> {
  const account = OF_ACCOUNT[character];
  const { subscription, signingKey } = await callers[account].insist((client) =>
    client.subscriptions.createSubscription({
      targetUrl: `${receivers[character].url}${path}`,
      eventTypes: [EVENT_TYPE],
      timeout: { seconds: ATTEMPT_TIMEOUT_S },
    }),
  );
  const id = subscription?.id ?? 0;
  const secret = signingKey?.secret;
  ledger.subscriptions.set(id, { character, account, eventType: EVENT_TYPE, knownAt: Date.now(), secret });
  return id;
}

/** The codes of Connect with which the API refuses what a caller did; a repetition would be refused, too. */
const REFUSALS: ReadonlySet<unknown> = new Set([3, 5, 6, 7, 9, 11, 12, 16]);
const RESOURCE_EXHAUSTED = 8;
const INTERNAL = 13;

export function isRefusal(error: unknown): boolean {
  return error instanceof Error && "code" in error && REFUSALS.has(error.code);
}

/** Returns whether a call is refused because its account has as many unfinished as it may have. */
export function isRefusedForNow(error: unknown): boolean {
  return isRefusal(error) || (error instanceof Error && "code" in error && error.code === RESOURCE_EXHAUSTED);
}

/** Resolves to what a call resolves to, or to undefined if it is refused. */
export async function unlessRefused<T>(call: Promise<T>, isRefused = isRefusal): Promise<T | undefined> {
  return await call.catch((error) => {
    if (!isRefused(error)) throw error;
    return undefined;
  });
}

/** Returns whether the API answered with a fault of its own. A broken connection has a cause. */
function isServersFault(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === INTERNAL && error.cause === undefined;
}
