import { randomBytes } from "node:crypto";
import { type AccountId, DAY_MS, HOUR_MS, Refusal } from "@posthaste/domain";

/** A test receiver. */
export type Inbox = {
  readonly id: string;
  readonly accountId: AccountId;
  /** The status it answers with. */
  readonly status: number;
  readonly expiresAt: number;
};

/** A received request. */
export type InboxRequest = {
  /** Counts the inbox's requests from 1. */
  readonly number: number;
  readonly receivedAt: number;
  readonly method: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array;
  readonly truncated: boolean;
  /** The status it was answered with. */
  readonly status: number;
};

export type Inboxes = {
  /**
   * Creates an inbox. Replaces the account's oldest inbox if the account is at its limit.
   *
   * @throws Refusal `too_many` if all accounts together are at the limit
   */
  create(accountId: AccountId): Inbox;
  /** Returns an inbox; undefined if the account has no such inbox. */
  get(accountId: AccountId, id: string): Inbox | undefined;
  /** Sets the status an inbox answers with; undefined if the account has no such inbox. */
  answer(accountId: AccountId, id: string, status: number): Inbox | undefined;
  /** Stores a request and returns the status to answer; undefined if there is no such inbox. */
  receive(id: string, request: ReceivedRequest): number | undefined;
  /** Returns the stored requests with a greater number. */
  after(id: string, number: number): readonly InboxRequest[];
  /**
   * Resolves once there is a request with a greater number, or the signal aborts; immediately if there is no
   * such inbox.
   */
  next(id: string, number: number, signal: AbortSignal): Promise<void>;
};

type ReceivedRequest = Pick<InboxRequest, "method" | "headers" | "body">;
type Kept = { inbox: Inbox; requests: InboxRequest[]; count: number; wake: Set<() => void> };

/** Inboxes of all accounts in this process. With their requests, they take at most 100 MB. */
const INBOXES_MAX = 100;
/** Inboxes of one account; a person tries one or two. */
const INBOXES_PER_ACCOUNT_MAX = 3;
/** Requests stored per inbox: what one page shows. */
const REQUESTS_KEPT_MAX = 30;
/** Bytes stored of a body, as many as the attempt log keeps of a response. The server bounds the headers. */
const BODY_BYTES_MAX = 16_384;
/** Lifetime of an inbox: a day of testing. */
const AGE_MAX_MS = DAY_MS;
/** 128 bits, so that nobody guesses an address; anyone who has it may send. */
const ID_BYTES = 16;
/** `Retry-After` if there are too many inboxes. */
const ROOM_RETRY_AFTER_MS = HOUR_MS;
/** Headers that are not stored: callers who may only read must not see the receiver's credentials. */
const LEFT_OUT: ReadonlySet<string> = new Set(["authorization", "cookie", "proxy-authorization"]);

/** Creates the inboxes of this process. They live in memory and end with the process. */
export function createInboxes(now: () => number): Inboxes {
  // In order of creation.
  const all = new Map<string, Kept>();
  const forgetOld = () => {
    for (const [id, { inbox }] of all) if (inbox.expiresAt <= now()) all.delete(id);
  };
  const find = (accountId: AccountId, id: string) => {
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
        throw new Refusal("too_many", `there are ${INBOXES_MAX} inboxes, the maximum; try again later`, {
          reason: "INBOXES_FULL",
          metadata: { limit: String(INBOXES_MAX) },
          retryAfterMs: ROOM_RETRY_AFTER_MS,
        });
      }
      const id = randomBytes(ID_BYTES).toString("hex");
      const inbox: Inbox = { id, accountId, status: 200, expiresAt: now() + AGE_MAX_MS };
      all.set(id, { inbox, requests: [], count: 0, wake: new Set() });
      return inbox;
    },
    get: (accountId, id) => find(accountId, id)?.inbox,
    answer(accountId, id, status) {
      const kept = find(accountId, id);
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
        // A copy: a slice would hold the whole body in memory.
        body: Uint8Array.from(body.subarray(0, BODY_BYTES_MAX)),
        truncated: body.length > BODY_BYTES_MAX,
        status: kept.inbox.status,
      });
      if (kept.requests.length > REQUESTS_KEPT_MAX) kept.requests.shift();
      for (const wake of kept.wake) wake();
      return kept.inbox.status;
    },
    after: (id, number) => all.get(id)?.requests.filter((request) => request.number > number) ?? [],
    async next(id, number, signal) {
      const kept = all.get(id);
      // The request may have arrived while the caller was sending those before it.
      if (kept === undefined || kept.count > number || signal.aborted) return;
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
