import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { DeliveryState } from "@posthaste/contracts/delivery";
import type { AccountId, SubscriptionId } from "@posthaste/domain";
import { beforeEach, expect, test } from "vitest";
import { ConsoleFixture, PATIENCE } from "./console-fixture.ts";
import { expectNone } from "./expect-none.ts";
import { insertDeliveries } from "./many-deliveries.ts";

/* Tests that the console's tables hold long names in windows of every width, in a real Chromium. */

const t = new ConsoleFixture();

/** A laptop's window, a tablet's, and that of a small phone. */
const WIDTHS = [1180, 1024, 320];
/** The longest code of an event type. */
const CODE = "purchase_order_was_acknowledged_by_the_warehouse_in_lueneburg_ne";
const OWNER = "Kontor Nord GmbH & Co. KG, Lüneburg, purchasing and accounts pay";

let target: string;
let accountId: AccountId;
let eventId: string;

beforeEach(async () => {
  t.account = await t.newAccount(OWNER);
  const { client } = t.account;
  accountId = t.account.id;
  const about = "An order that the warehouse has acknowledged, with the day on which it expects to send it.";
  const type = { code: CODE, sampleJson: '{"OrderNumber":"PO-1045"}', description: about };
  const schema = { type: "object", properties: { OrderNumber: { type: "string", description: about } } };
  await client.catalog.createEventType({ ...type, schema, keys: [{ pointer: "/OrderNumber" }] });
  await client.catalog.updateEventType({ ...type, schema, description: `${about} Or not.` });
  target = `${t.receiver.url}webhooks/foxglove-and-quill/ledger-of-the-north/${"segment-".repeat(6)}`;
  const { subscription } = await client.subscriptions.createSubscription({
    ...{ targetUrl: target, eventTypes: [CODE, "invoice_sent", "contact_created"], description: about },
  });
  const subscriptionId = (subscription?.id ?? 0) as SubscriptionId;
  ({ eventId } = await client.events.ingestEvent({
    ...{ eventType: CODE, snapshot: { case: "dataJson", value: type.sampleJson } },
  }));
  await insertDeliveries(t.stack.store, { accountId, subscriptionId, count: 2 });
  await client.deliveries.recoverDeliveries({
    ...{ subscriptionId, since: timestampFromMs(0), dryRun: true, ratePerSecond: 10, eventTypes: [CODE] },
  });
  await t.deliveryOf(eventId, DeliveryState.SUCCEEDED);
  await t.stack.store.db
    .updateTable("subscriptions")
    .set({ failing_since: Date.now() - 60_000 })
    .where("id", "=", subscriptionId)
    .execute();
});

/** The room in px that a cell has for a text and for a target, of which a reader recognizes it. */
const TEXT_PX_MIN = 100;
const TARGET_PX_MIN = 200;
const SHORT_CHARS = 15;

/** A script that returns what of the page's tables is out of view, cut, or squeezed into too little room. */
const FAULTS = `[...document.querySelectorAll("main table:not(.visually-hidden *)")].flatMap((table) => {
  const faults = [];
  for (let around = table; around.tagName !== "MAIN"; around = around.parentElement) {
    const hidden = around.scrollWidth - around.clientWidth;
    if (hidden > 1) faults.push(hidden + " px are out of view");
  }
  for (const cell of table.querySelectorAll("td")) {
    const unseen = cell.querySelector(".visually-hidden")?.textContent ?? "";
    const text = cell.innerText.replace(unseen, "").trim();
    const px = cell.clientWidth;
    const least = text.includes("127.0.0.1") ? ${TARGET_PX_MIN} : ${TEXT_PX_MIN};
    if (text.length > ${SHORT_CHARS} && px > 0 && px < least) faults.push(px + " px for " + text);
    if (cell.dataset.label !== undefined && cell.scrollWidth > px + 1) faults.push("cut: " + text);
    const { right } = cell.getBoundingClientRect();
    for (const part of cell.querySelectorAll("button, [class*=badge]"))
      if (part.getBoundingClientRect().right > right + 1) faults.push("cut: " + part.innerText);
  }
  return [...new Set(faults)];
})`;

async function expectRoom(token: string, paths: readonly string[]): Promise<void> {
  const { page, go } = await t.show({ token, path: "/favicon.svg" });
  const found: string[] = [];
  for (const path of paths) {
    await go(path);
    await page.locator("main td").filter({ visible: true }).first().waitFor();
    await expect.poll(() => page.locator("main [aria-busy]").count(), PATIENCE).toBe(0);
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 800 });
      const faults = (await page.evaluate(FAULTS)) as string[];
      found.push(...faults.map((fault) => `${path} at ${width} px: ${fault}`));
    }
  }
  expectNone(found);
}

test("the tables of an account hold long names in every window", async () => {
  await expectRoom(t.account.token, [
    "/",
    "/subscriptions",
    "/deliveries",
    "/events",
    `/events/${eventId}`,
    "/event-types",
    `/event-types/${CODE}`,
    `/event-types/${CODE}/versions`,
    "/search?q=PO-1045",
    "/search?q=ledger-of-the-north",
  ]);
}, 60_000);

test("the tables of an operator hold long names in every window", async () => {
  await expectRoom(t.stack.token, [
    "/operator",
    "/operator/accounts",
    `/operator/accounts/${accountId}`,
    `/operator/audit?account=${accountId}`,
  ]);
}, 60_000);
