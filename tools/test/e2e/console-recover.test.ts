import { DeliveryState } from "@posthaste/contracts/delivery";
import { type Receiver, startReceiver } from "@posthaste/testkit";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { button, ConsoleFixture, PATIENCE, seriousProblems } from "./console-fixture.ts";
import { expectNone } from "./expect-none.ts";

/* Tests that the console sends again what was not delivered, in a real Chromium against real parts. */

const t = new ConsoleFixture();
const FAILED_EACH = 100;
/** Two hundred deliveries are sent, and each is a request. */
const LONG = { timeout: 90_000, interval: 200 };

let other: Receiver;
beforeEach(async () => {
  other = await startReceiver();
});
afterEach(() => other.stop());

/** Waits until every delivery of the account is in this state. */
async function allIn(state: DeliveryState, count: number) {
  await vi.waitFor(async () => {
    const { deliveries } = await t.account.client.deliveries.listDeliveries({ state, pageSize: 500 });
    expect(deliveries.filter(({ attempts }) => attempts > 0)).toHaveLength(count);
  }, LONG);
}

/** Lets events of two subscriptions fail, so that all wait for a retry, and mends the receivers. */
async function outage(each: number): Promise<number[]> {
  const ids: number[] = [];
  for (const receiver of [t.receiver, other]) {
    receiver.answer({ kind: "status", status: 503 });
    ids.push(await t.subscribe(receiver.url));
  }
  const events = Array.from({ length: each }, (_, n) => ({
    eventType: "invoice_sent",
    snapshot: { case: "dataJson" as const, value: `{"n":${n}}` },
  }));
  await t.account.client.events.ingestEvents({ events });
  await allIn(DeliveryState.STARTED, 2 * each);
  for (const receiver of [t.receiver, other]) receiver.answer({ kind: "status", status: 200 });
  return ids;
}

test("an outage of 200 deliveries to two receivers is caught up with by one click, and none is sent twice", async () => {
  await outage(FAILED_EACH);
  const { page } = await t.show({ token: t.account.token, path: "/recover" });
  await button(page, /Count and send/).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("200 deliveries to send.").waitFor();
  expectNone(await seriousProblems(page));
  await dialog.getByLabel("At most, per second").fill("1000");
  await button(page, "Send 200").click();
  await dialog.getByText("200 sent").waitFor();
  await button(page, "Close").click();
  await allIn(DeliveryState.SUCCEEDED, 2 * FAILED_EACH);
  for (const { requests } of [t.receiver, other]) {
    expect(requests).toHaveLength(2 * FAILED_EACH);
    const accepted = requests.slice(FAILED_EACH).map(({ headers }) => headers["webhook-id"]);
    expect(new Set(accepted).size).toBe(FAILED_EACH);
  }
  await page.getByText(/200 examined, 200 sent/).waitFor();
  // A second one finds nothing.
  await button(page, /Count and send/).click();
  await dialog.getByText("0 deliveries to send: nothing is left to do.").waitFor();
  expect(await button(page, "Close").count()).toBe(1);
}, 240_000);

test("what waits for one subscription is sent from its page, and nothing else", async () => {
  const [first] = await outage(2);
  const { page } = await t.show({ token: t.account.token, path: `/subscriptions/${first}` });
  await page.getByText("Waiting for a retry").waitFor();
  await button(page, /Send what waits now/).click();
  await page.getByRole("dialog").getByText("2 deliveries to send.").waitFor();
  await button(page, "Send 2").click();
  await page.getByRole("dialog").getByText("2 sent").waitFor();
  await button(page, "Close").click();
  await allIn(DeliveryState.SUCCEEDED, 2);
  expect(other.requests).toHaveLength(2);
  await page.getByText("Waiting for a retry").locator("..").getByText("0", { exact: true }).waitFor();
}, 120_000);

test("resuming a subscription offers to send what waits and what failed", async () => {
  const [first = 0] = await outage(1);
  await t.account.client.subscriptions.pauseSubscription({ id: first });
  const { page } = await t.show({ token: t.account.token, path: `/subscriptions/${first}` });
  await button(page, "Resume").click();
  await button(page, /Send what waits or failed/).click();
  await page.getByRole("dialog").getByText("1 delivery to send.").waitFor();
  await button(page, "Send 1").click();
  await page.getByRole("dialog").getByText("1 sent").waitFor();
  await vi.waitFor(() => expect(t.receiver.requests).toHaveLength(2), PATIENCE);
}, 120_000);

test("a dialog that is closed cancels its count", async () => {
  await outage(1);
  const { page } = await t.show({ token: t.account.token, path: "/recover" });
  await button(page, /Count and send/).click();
  await page.getByRole("dialog").getByText("2 deliveries to send.").waitFor();
  await button(page, "Cancel").click();
  await expect.poll(() => page.getByRole("dialog").count(), PATIENCE).toBe(0);
  const { recoveries } = await t.account.client.deliveries.listRecoveries({});
  expect(recoveries.every(({ dryRun, endedAt }) => dryRun && endedAt !== undefined)).toBe(true);
  // Counts are not recoveries of the account's deliveries.
  await page.getByText("No recoveries yet").waitFor();
}, 120_000);

test("a resend of what was accepted asks first, and links both deliveries", async () => {
  await t.subscribe(t.receiver.url);
  const first = await t.deliveryOf(await t.ingest(), DeliveryState.SUCCEEDED);
  const { page } = await t.show({ token: t.account.token, path: `/deliveries/${first?.id}` });
  await button(page, "Send again").click();
  await page.getByText("The receiver has accepted this delivery.").waitFor();
  expect(t.receiver.requests).toHaveLength(1);
  await page.getByRole("alertdialog").getByRole("button", { name: "Send again" }).click();
  await vi.waitFor(() => expect(t.receiver.requests).toHaveLength(2), PATIENCE);
  await page
    .getByText("Sends", { exact: false })
    .getByRole("link", { name: first?.id ?? "" })
    .click();
  await page.waitForURL(`**/deliveries/${first?.id}`);
  await page.getByText("Sent again as").waitFor();
});
