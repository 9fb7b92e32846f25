import { createPosthasteClient, type PosthasteClient } from "@posthaste/client";
import { DeliveryState } from "@posthaste/contracts/delivery";
import { type AccountId, type Lane, SCOPES } from "@posthaste/domain";
import { type Stack, startStack } from "@posthaste/stack";
import { createAccount, createToken } from "@posthaste/store";
import { type Receiver, startReceiver } from "@posthaste/testkit";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { endStack } from "./end-stack.ts";

const PATIENCE = { timeout: 120_000, interval: 50 };
const TIMEOUT_MS = 300_000;
/** As long as an attempt may take: a receiver that holds its answers must not lose by its timeout. */
const ATTEMPT_TIMEOUT_S = 30n;
/** First attempts of one account in flight in the worker; retries have half as many places. */
const ATTEMPTS_MAX = 20;
const SUBSCRIPTIONS = 10;
/**
 * Each subscription gets them, so that an account wants twice the places that there are. No more than that:
 * all must be asked for before the first of them times out, also on a busy machine.
 */
const EVENTS = 4;
const RETRIED_EVENTS = 2;

/** Deliveries whose retry was asked for. */
const askedFor = new Set<string>();

type Account = { readonly id: AccountId; readonly client: PosthasteClient; readonly receiver: Receiver };

describe.each<Lane>(["workflow", "direct"])("an account whose receiver is slow, in the %s lane", (lane) => {
  let stack: Stack;
  let slow: Account;
  let other: Account;
  let release = () => {};
  /** Whether the slow receiver holds its answer to this request. */
  let holds: (attempt: number) => boolean;

  beforeEach(async () => {
    stack = await startStack({ lane, env: { POSTHASTE_ATTEMPTS_MAX: String(ATTEMPTS_MAX) } });
    [slow, other] = [await createOne(stack), await createOne(stack)];
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    slow.receiver.answer(async ({ headers }) => {
      const attempt = Number(headers["webhook-attempt"]);
      if (!holds(attempt)) return { kind: "status", status: 500 };
      await released;
      return { kind: "status", status: 200 };
    });
    for (let i = 0; i < SUBSCRIPTIONS; i++) await subscribe(slow, `/${i}`);
    await subscribe(other, "/");
  });
  afterEach(async () => {
    release();
    await Promise.all([slow, other].flatMap(({ client, receiver }) => [client.close(), receiver.stop()]));
    await endStack(stack, askedFor);
  });

  test(
    "keeps no first attempt of another account waiting",
    async () => {
      holds = () => true;
      await ingest(slow, EVENTS);
      await slow.receiver.waitFor(ATTEMPTS_MAX, { timeoutMs: PATIENCE.timeout });
      await ingest(other, 1);
      await other.receiver.waitFor(1, { timeoutMs: PATIENCE.timeout });
      // No attempt of the slow account has ended meanwhile, by an answer or by its timeout.
      expect((await deliveriesOf(slow)).filter(({ attempts }) => attempts > 0)).toEqual([]);
      release();
      await allSucceed(slow);
      expect(slow.receiver.requests).toHaveLength(SUBSCRIPTIONS * EVENTS);
    },
    TIMEOUT_MS,
  );

  test(
    "keeps no retry of another account waiting",
    async () => {
      holds = (attempt) => attempt > 1;
      other.receiver.answer((_request, n) => ({ kind: "status", status: n === 1 ? 500 : 200 }));
      await ingest(slow, RETRIED_EVENTS);
      await ingest(other, 1);
      const failed = SUBSCRIPTIONS * RETRIED_EVENTS;
      await retryAll(slow, failed);
      await slow.receiver.waitFor(failed + ATTEMPTS_MAX / 2, { timeoutMs: PATIENCE.timeout });
      await retryAll(other, 1);
      await other.receiver.waitFor(2, { timeoutMs: PATIENCE.timeout });
      expect((await deliveriesOf(slow)).filter(({ attempts }) => attempts !== 1)).toEqual([]);
      release();
      await allSucceed(slow);
      expect(slow.receiver.requests).toHaveLength(2 * failed);
    },
    TIMEOUT_MS,
  );
});

async function createOne({ store, apiUrl }: Stack): Promise<Account> {
  const now = Date.now();
  const { id } = await createAccount(store, { name: "one", now });
  const token = { accountId: id, name: "one", scopes: [...SCOPES], expiresAt: null, now };
  const { secret } = await createToken(store, token);
  const client = createPosthasteClient({ baseUrl: apiUrl, token: secret });
  return { id, client, receiver: await startReceiver() };
}

async function subscribe({ client, receiver }: Account, path: string): Promise<void> {
  await client.subscriptions.createSubscription({
    targetUrl: `${receiver.url}${path}`,
    eventTypes: ["invoice_sent"],
    timeout: { seconds: ATTEMPT_TIMEOUT_S, nanos: 0 },
  });
}

async function ingest({ client }: Account, count: number): Promise<void> {
  await client.events.ingestEvents({
    events: Array.from({ length: count }, (_, n) => ({
      eventType: "invoice_sent",
      snapshot: { case: "dataJson" as const, value: `{"n":${n}}` },
    })),
  });
}

async function deliveriesOf({ client }: Account) {
  return (await client.deliveries.listDeliveries({ pageSize: 500 })).deliveries;
}

/** Waits until all first attempts have failed, and asks for the second ones. */
async function retryAll(account: Account, count: number): Promise<void> {
  const deliveries = await vi.waitFor(async () => {
    const found = await deliveriesOf(account);
    expect(found.map(({ attempts }) => attempts)).toEqual(Array.from({ length: count }, () => 1));
    return found;
  }, PATIENCE);
  for (const { id } of deliveries) {
    askedFor.add(id);
    await account.client.deliveries.retryDelivery({ id });
  }
}

async function allSucceed(account: Account): Promise<void> {
  await vi.waitFor(async () => {
    const states = (await deliveriesOf(account)).map(({ state }) => state);
    expect(new Set(states)).toEqual(new Set([DeliveryState.SUCCEEDED]));
  }, PATIENCE);
}
