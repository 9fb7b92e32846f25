import type { AccountId, SubscriptionId } from "@posthaste/domain";
import {
  type AttemptLedger,
  createAccount,
  createAttemptLedger,
  createEventType,
  createSubscription,
  type Store,
} from "@posthaste/store";
import { INCIDENTS } from "./scale.ts";

/** An account with one of its subscriptions. */
export type Subscriber = { readonly accountId: AccountId; readonly id: SubscriptionId };

/** An installation, and who lives in it. Everything else comes and goes. */
export type Life = {
  readonly store: Store;
  readonly ledger: AttemptLedger;
  /** Simulated time, in epoch milliseconds. It only goes forward. */
  readonly clock: { now: number };
  /** Events in the tables once as much is deleted as is added. */
  readonly events: number;
  readonly busy: readonly Subscriber[];
  /** Its events go to many subscriptions. */
  readonly wide: Subscriber;
  /** Its receiver refuses everything until it is mended. */
  readonly failing: Subscriber;
  /** It is paused and resumed. */
  readonly pausing: Subscriber;
  /** Its events hold personal data, which is erased. */
  readonly personal: Subscriber;
  /** An event type that gets a new version in each month. */
  readonly eventTypeId: number;
};

export const BULK = "invoice_sent";
export const WIDE = "contact_created";

/** Creates the installation's accounts and subscriptions. */
export async function beginLife(
  store: Store,
  { events, now }: { events: number; now: number },
): Promise<Life> {
  const subscriber = async (name: string, eventType = BULK): Promise<Subscriber> => {
    const { id: accountId } = await createAccount(store, { name, now });
    const { id } = await subscribe(store, { accountId, eventType, path: name, now });
    return { accountId, id };
  };
  const busy: Subscriber[] = [];
  for (let n = 0; n < INCIDENTS.busyAccounts; n++) busy.push(await subscriber(`busy ${n}`));
  const wide = await subscriber("wide", WIDE);
  for (let n = 1; n < INCIDENTS.wideSubscriptions; n++) {
    await subscribe(store, { accountId: wide.accountId, eventType: WIDE, path: `wide/${n}`, now });
  }
  const type = { code: "dossier_closed", description: "", schemaJson: "{}", sampleJson: "{}" };
  return {
    store,
    ledger: createAttemptLedger(store),
    clock: { now },
    events,
    busy,
    wide,
    failing: await subscriber("failing"),
    pausing: await subscriber("pausing"),
    personal: await subscriber("personal"),
    eventTypeId: (await createEventType(store, { owner: wide.accountId, now, ...type })).id,
  };
}

/** Subscribes a receiver to one event type. */
export async function subscribe(
  store: Store,
  { accountId, eventType, path, now }: { accountId: AccountId; eventType: string; path: string; now: number },
) {
  return await createSubscription(store, {
    accountId,
    targetUrl: `https://receiver.example/${path}`,
    eventTypes: [eventType],
    credential: null,
    acceptance: "OK_ONLY",
    timeoutMs: null,
    now,
  });
}
