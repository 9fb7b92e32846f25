import { type Attack, keepDoing, rpc } from "../strike.ts";

/** 5 rounds of calls a second. */
const EVERY_MS = 200;
const AT_ONCE_MAX = 10;
const EVENTS_AT_ONCE = 50;
const SINCE = "2000-01-01T00:00:00Z";

/** An account that changes everything all the time, and whose receivers misbehave. */
export const churn: Attack = async (strike) => {
  const { target, random } = strike;
  await keepDoing(strike, { everyMs: EVERY_MS, atOnceMax: AT_ONCE_MAX }, async () => {
    const targetUrl = `${target.receiverUrl}${random.between(0, 1_000)}`;
    const created = await rpc(strike, "SubscriptionService/CreateSubscription", {
      targetUrl,
      eventTypes: ["invoice_sent"],
    });
    const id = (created?.["subscription"] as { id?: number } | undefined)?.id;
    const event = { eventType: "invoice_sent", dataJson: '{"paid":true}' };
    await rpc(strike, "EventIngestService/IngestEvents", { events: Array(EVENTS_AT_ONCE).fill(event) });
    await rpc(strike, "DeliveryService/ListDeliveries", { pageSize: 100 });
    if (id === undefined) return;
    await rpc(strike, "SubscriptionService/PauseSubscription", { id });
    await rpc(strike, "SubscriptionService/ResumeSubscription", { id });
    await rpc(strike, "DeliveryService/RecoverDeliveries", { subscriptionId: id, since: SINCE });
    await rpc(strike, "DeliveryService/ReplayEvents", { subscriptionId: id, since: SINCE });
    if (random.pick([true, false])) await rpc(strike, "SubscriptionService/DeleteSubscription", { id });
  });
};
