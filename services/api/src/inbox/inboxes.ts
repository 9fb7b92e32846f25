import { randomBytes } from "node:crypto";
import { type AccountId, Refusal } from "@posthaste/domain";

/** A receiver to try webhooks with. */
export type Inbox = {
  readonly id: string;
  readonly accountId: AccountId;
  /** What it answers. */
  readonly status: number;
  readonly expiresAt: number;
};

/** A request that came in. */
export type InboxRequest = {
  /** From 1. */
  readonly number: number;
  readonly receivedAt: number;
  readonly method: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array;
  readonly truncated: boolean;
  /** What it was answered with. */
  readonly status: number;
};

export type Inboxes = {
  /** @throws Refusal `too_many` */
  create(accountId: AccountId): Inbox;
  get(accountId: AccountId, id: string): Inbox | undefined;
  answer(accountId: AccountId, id: string, status: number): Inbox | undefined;
  /** Keeps a request and returns what to answer; undefined: there is no such inbox. */
  receive(id: string, request: ReceivedRequest): number | undefined;
  /** What is kept with a number greater than that. */
  after(id: string, number: number): readonly InboxRequest[];
  /** Resolves when a request comes or the signal aborts. */
  next(id: string, signal: AbortSignal): Promise<void>;
};

type ReceivedRequest = Pick<InboxRequest, "method" | "headers" | "body">;
type Kept = { inbox: Inbox; requests: InboxRequest[]; count: number; wake: Set<() => void> };

/** Of all accounts, in one process: with what each keeps, at most 100 MB. */
const INBOXES_MAX = 100;
/** A person tries one or two. */
const INBOXES_PER_ACCOUNT_MAX = 3;
/** What a page shows. */
const REQUESTS_KEPT_MAX = 30;
/** As much as the attempt log keeps of an answer; headers are bounded by the server. */
const BODY_BYTES_MAX = 16_384;
/** A day of trying. */
const AGE_MAX_MS = 24 * 3_600_000;
/** 128 bits: whoever has the address may send, and nobody guesses it. */
const ID_BYTES = 16;
const ROOM_RETRY_AFTER_MS = 3_600_000;
/** Not shown to whoever may only read: a receiver's own credentials. */
const LEFT_OUT: ReadonlySet<string> = new Set(["authorization", "cookie", "proxy-authorization"]);

/** Keeps inboxes in memory: they are for trying, and gone with the process. */
export function createInboxes(now: () => number): Inboxes {
  // In the order of their making.
  const all = new Map<string, Kept>();
  const forgetOld = () => {
    for (const [id, { inbox }] of all) if (inbox.expiresAt <= now()) all.delete(id);
  };
  const own = (accountId: AccountId, id: string) => {
    forgetOld();
    const kept = all.get(id);
    return kept?.inbox.accountId === accountId ? kept : undefined;
  };
  return {
    create(accountId) {
      forgetOld();
      const owned = [...all.values()].filter(({ inbox }) => inbox.accountId === accountId);
      if (owned.length >= INBOXES_PER_ACCOUNT_MAX && owned[0] !== undefined) all.delete(owned[0].inbox.id);
      if (all.size >= INBOXES_MAX) {
        throw new Refusal(
          "too_many",
          `there are ${INBOXES_MAX} inboxes, as many as may be; try again later`,
          {
            retryAfterMs: ROOM_RETRY_AFTER_MS,
          },
        );
      }
      const id = randomBytes(ID_BYTES).toString("hex");
      const inbox: Inbox = { id, accountId, status: 200, expiresAt: now() + AGE_MAX_MS };
      all.set(id, { inbox, requests: [], count: 0, wake: new Set() });
      return inbox;
    },
    get: (accountId, id) => own(accountId, id)?.inbox,
    answer(accountId, id, status) {
      const kept = own(accountId, id);
      if (kept === undefined) return undefined;
      kept.inbox = { ...kept.inbox, status };
      return kept.inbox;
    },
    receive(id, { method, headers, body }) {
      forgetOld();
      const kept = all.get(id);
      if (kept === undefined) return undefined;
      kept.count += 1;
      kept.requests.push({
        number: kept.count,
        receivedAt: now(),
        method,
        headers: headers.filter(([name]) => !LEFT_OUT.has(name)),
        // A copy: a slice would keep all of it in memory.
        body: Uint8Array.from(body.subarray(0, BODY_BYTES_MAX)),
        truncated: body.length > BODY_BYTES_MAX,
        status: kept.inbox.status,
      });
      if (kept.requests.length > REQUESTS_KEPT_MAX) kept.requests.shift();
      for (const wake of kept.wake) wake();
      return kept.inbox.status;
    },
    after: (id, number) => all.get(id)?.requests.filter((request) => request.number > number) ?? [],
    async next(id, signal) {
      const kept = all.get(id);
      if (kept === undefined || signal.aborted) return;
      await new Promise<void>((resolve) => {
        const wake = () => {
          kept.wake.delete(wake);
          signal.removeEventListener("abort", wake);
          resolve();
        };
        kept.wake.add(wake);
        signal.addEventListener("abort", wake);
      });
    },
  };
}
